"""What a trace of Xen is, and the files it leaves in a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import InfraError
from harness.formats.xenalyze import IDLE_DOMAIN, Summary


@dataclass(frozen=True)
class Trace:
    """One trace.

    Attributes:
        asked: seconds that it was to last.
        elapsed: seconds of dom0's clock from the start of xentrace to its end.
        summary: the figures.
        text: what xenalyze printed, its stderr first.
        names: of the domains that `xl list` shows before or after, by id.
        evidence: what the machine was: times of an "emulated" one are the emulator's.
        warnings: why the figures may say less than they seem to.
        output: what the command that was traced had said by the end.
        raw: the trace itself, compressed by gzip, if it was asked for.
        kept: the files that were written.
    """

    asked: int
    elapsed: float
    summary: Summary
    text: str
    names: Mapping[int, str]
    evidence: str = ""
    warnings: tuple[str, ...] = ()
    output: str = ""
    raw: bytes | None = field(default=None, repr=False)
    kept: tuple[Path, ...] = ()

    def name(self, domain: int | None) -> str:
        """What to call a domain."""
        return domain_name(self.names, domain)

    def to_json(self) -> dict[str, Any]:
        """For trace.json: everything but the text and the raw trace."""
        return {
            "asked_seconds": self.asked,
            "elapsed_seconds": self.elapsed,
            "evidence": self.evidence,
            "warnings": list(self.warnings),
            "names": {str(number): name for number, name in self.names.items()},
            "command_output": self.output,
            **asdict(self.summary),
        }


def domain_name(names: Mapping[int, str], domain: int | None) -> str:
    """What to call a domain, by the names that are known."""
    if domain is None:
        return "(unknown)"
    return "(idle)" if domain == IDLE_DOMAIN else names.get(domain, f"Domain-{domain}")


def kept(taken: Trace, folder: Path) -> Trace:
    """Writes the files of a trace, under a name that is not taken yet.

    Raises:
        InfraError: they cannot be written.
    """
    number, name = 1, "trace"
    while any((folder / f"{name}{end}").exists() for end in (".txt", ".json", ".bin.gz")):
        number += 1
        name = f"trace-{number}"
    files = {".txt": taken.text.encode()}
    if taken.raw is not None:
        files[".bin.gz"] = taken.raw
    files[".json"] = (json.dumps(taken.to_json(), indent=2, allow_nan=False) + "\n").encode()
    paths = tuple(folder / f"{name}{end}" for end in files)
    try:
        for path, content in zip(paths, files.values(), strict=True):
            with path.open("xb") as file:
                file.write(content)
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", folder) from None
    return replace(taken, kept=paths)
