"""What an import tells its user besides the profile."""

from __future__ import annotations

from harness.formats.imagebuilder import Config, Entry


class Warnings:
    """Collects them, each with file, line and key."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._found: list[tuple[int, str]] = []

    def of(self, entry: Entry, reason: str) -> None:
        """About a variable."""
        self._found.append((entry.line, f"{self._config.where(entry)}: {reason}"))

    def general(self, reason: str) -> None:
        """About the file as a whole."""
        self._found.append((0, f"{self._config.name}: {reason}"))

    def sorted(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(text for _, text in sorted(self._found, key=lambda pair: pair[0]))
