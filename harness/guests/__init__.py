"""Guests that `xl` starts: their consoles as consoles of ours, and what goes wrong with them."""

from harness.guests.console import GuestConsole, GuestShell, attached
from harness.guests.diagnosis import GuestError
from harness.guests.running import running

__all__ = ["GuestConsole", "GuestError", "GuestShell", "attached", "running"]
