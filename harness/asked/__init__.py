"""What was predicted of ACPI tables, beside what the real Xen, or Linux, did with them."""

from harness.asked.asking import Result, Results, ask_about, failed
from harness.asked.inputs import inputs_of
from harness.asked.report import as_json, as_text

__all__ = ["Result", "Results", "as_json", "as_text", "ask_about", "failed", "inputs_of"]
