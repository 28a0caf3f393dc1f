"""Pure: bytes <-> frozen dataclasses. No I/O, no clock, no board."""
