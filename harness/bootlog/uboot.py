"""What U-Boot says: versions, board, memory and what it loads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bootlog.draft import Draft, adds, apply, rule, sets
from harness.bootlog.lines import Line


@dataclass(frozen=True, slots=True)
class UbootFacts:
    """Versions as printed; dram as printed ("1 GiB"); loaded_bytes: one item per file read."""

    spl_version: str | None = None
    version: str | None = None
    build: str | None = None
    cpu: str | None = None
    model: str | None = None
    dram: str | None = None
    boot_device: str | None = None
    script_address: int | None = None
    loaded_bytes: tuple[int, ...] = ()
    starting_kernel: bool = False


_RULES = (
    rule(r"U-Boot SPL (\d\S*)", sets("spl_version")),
    rule(r"Trying to boot from (\S+)", sets("boot_device")),
    rule(r"CPU: +(\S.*?) *$", sets("cpu")),
    rule(r"Model: +(\S.*?) *$", sets("model")),
    rule(r"## Executing script at ([0-9a-f]+)", sets("script_address", lambda x: int(x, 16))),
    rule(r"(\d+) bytes read in \d+ ms", adds("loaded_bytes", int)),
    rule(r"Starting kernel \.\.\.", lambda d, _m, _line: d.set("starting_kernel", value=True)),
)
_DRAM = rule(r"DRAM: +(\S.*?) *$", sets("dram"))
_VERSION = (
    rule(r"U-Boot (\d\S*) \((.*)$", lambda d, m, _line: _banner(d, m[1], m[2])),
    rule(r"U-Boot (\d\S*)", sets("version")),
)


def _banner(draft: Draft, version: str, rest: str) -> None:
    draft.set("version", version)
    draft.set("build", rest.replace(")", "", 1).strip())


class UbootParser:
    """Takes the lines between power-on and Xen."""

    def __init__(self) -> None:
        self._draft = Draft()

    @property
    def changes(self) -> int:
        return self._draft.changes

    def feed(self, line: Line) -> None:
        draft, text = self._draft, line.text
        if "version" not in draft.one and "spl_version" not in draft.one:
            if text.startswith("U-Boot "):
                apply((_RULES[0], *_VERSION), draft, text, line)
            return
        if text.startswith("U-Boot "):
            apply(_VERSION, draft, text, line)
        elif text.startswith("DRAM:"):
            if "version" in draft.one:  # the SPL prints its own, before
                apply((_DRAM,), draft, text, line)
        elif text:
            apply(_RULES, draft, text, line)

    def facts(self) -> UbootFacts:
        return UbootFacts(**self._draft.fields())
