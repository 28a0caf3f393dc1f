"""All rules for ACPI tables, in the order of the documentation."""

from __future__ import annotations

from harness.lint import (
    acpi_alias_rules,
    acpi_block_rules,
    acpi_entry_rules,
    acpi_hpet_rules,
    acpi_iommu_rules,
    acpi_ivmd_rules,
    acpi_memory_rules,
    acpi_rules,
    acpi_special_rules,
    acpi_story_rules,
)
from harness.lint.rule import Rule

RULES: tuple[Rule, ...] = (
    *acpi_rules.RULES,
    *acpi_block_rules.RULES,
    *acpi_entry_rules.RULES,
    *acpi_alias_rules.RULES,
    *acpi_iommu_rules.RULES,
    *acpi_special_rules.RULES,
    *acpi_hpet_rules.RULES,
    *acpi_ivmd_rules.RULES,
    *acpi_memory_rules.RULES,
    *acpi_story_rules.RULES,
)
