"""Xen as a reader of ACPI's IVRS: what releases 4.8 to 4.20 do with a table set. Pure."""

from harness.lint.acpi_model.machine import Machine, Region, iommu_config
from harness.lint.acpi_model.predict import predict
from harness.lint.acpi_model.prediction import Basis, Outcome, Prediction, Said, Step
from harness.lint.acpi_model.versions import XenVersion
from harness.lint.acpi_model.wording import is_problem

__all__ = [
    "Basis",
    "Machine",
    "Outcome",
    "Prediction",
    "Region",
    "Said",
    "Step",
    "XenVersion",
    "iommu_config",
    "is_problem",
    "predict",
]
