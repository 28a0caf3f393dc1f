"""The boot log: console bytes -> lines -> facts. Pure: no I/O, no clock."""

from __future__ import annotations

from harness.bootlog.diagnoses import Diagnosis, Severity, root_cause
from harness.bootlog.iommu_facts import IommuState
from harness.bootlog.lines import Line, LineAssembler, split_glued
from harness.bootlog.log import (
    BootLog,
    final_iommu_state,
    to_json,
)
from harness.bootlog.notes import Note
from harness.bootlog.panic_facts import Panic
from harness.bootlog.parser import BootLogParser, parse_recorded
from harness.bootlog.prompts import RESCUE, is_prompt
from harness.bootlog.recorded import RecordedLog, read_recorded
from harness.bootlog.resets import Reset
from harness.bootlog.stages import STAGES, Arch
from harness.bootlog.uboot_facts import UbootFacts
from harness.bootlog.xen import plain_text, unexplained
from harness.bootlog.xen_facts import DomainFacts, XenFacts

__all__ = [
    "RESCUE",
    "STAGES",
    "Arch",
    "BootLog",
    "BootLogParser",
    "Diagnosis",
    "DomainFacts",
    "IommuState",
    "Line",
    "LineAssembler",
    "Note",
    "Panic",
    "RecordedLog",
    "Reset",
    "Severity",
    "UbootFacts",
    "XenFacts",
    "final_iommu_state",
    "is_prompt",
    "parse_recorded",
    "plain_text",
    "read_recorded",
    "root_cause",
    "split_glued",
    "to_json",
    "unexplained",
]
