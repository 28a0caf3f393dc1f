"""ACPI tables of a machine: reading them from where they are, showing, comparing, making them."""
