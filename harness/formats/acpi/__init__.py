"""ACPI tables as bytes <-> frozen dataclasses; parsing keeps what it does not know. Pure."""
