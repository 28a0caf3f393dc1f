"""What the firmware says before any boot loader: coreboot, SeaBIOS, the vendor's banner."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bootlog.draft import Draft, Rules, apply, first_word, rule, sets
from harness.bootlog.lines import Line


@dataclass(frozen=True, slots=True)
class FirmwareFacts:
    """Versions as they were printed; `board` is the vendor's line ("PC Engines apu2")."""

    seabios: str | None = None
    coreboot: str | None = None
    bios: str | None = None
    board: str | None = None
    memory: str | None = None


_RULES: Rules = {
    "SeaBIOS": [rule(r"SeaBIOS \(version (\S+?)\)", sets("seabios"))],
    "coreboot": [rule(r"coreboot build (\S+)", sets("coreboot"))],
    "BIOS": [rule(r"BIOS version (\S+)", sets("bios"))],
    "PC": [rule(r"(PC Engines .*\S)", sets("board"))],
}
_COREBOOT = rule(r"coreboot-(\S+)", sets("coreboot"))
_MEMORY = rule(r"(\d+ MB (?:ECC )?DRAM)", sets("memory"))


class FirmwareParser:
    """Takes the lines between power-on and Xen; others do no harm."""

    def __init__(self) -> None:
        self._draft = Draft()

    @property
    def changes(self) -> int:
        return self._draft.changes

    def feed(self, line: Line) -> None:
        text = line.text
        rules = _RULES.get(first_word(text))
        if rules:
            apply(rules, self._draft, text, line)
        elif text.startswith("coreboot-"):
            apply((_COREBOOT,), self._draft, text, line)
        elif text.endswith(" DRAM"):
            apply((_MEMORY,), self._draft, text, line)

    def facts(self) -> FirmwareFacts:
        return FirmwareFacts(**self._draft.fields())
