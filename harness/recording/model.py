"""recording.json: what a recording is, read and checked.

It lies in the run folder, and names files in it by their SHA-256: the folder can be moved, and a
file that was changed is seen before a replay goes wrong over it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InfraError, InputError
from harness.regular import read_regular
from harness.target.icount import FOLDER, LOG, MOST_SHIFT

FILE = "recording.json"
SCHEMA: Literal["harness-recording/1"] = "harness-recording/1"
_MOST = 1 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Kept(_Strict):
    """A file of a recording: its content."""

    bytes: Count
    sha256: Sha256


class Emulator(_Strict):
    """The QEMU that recorded. `path`: where it was; another machine has it elsewhere."""

    path: str
    version: str
    sha256: Sha256 | None


class Instructions(_Strict):
    """How many the machine had executed; None: not known.

    `quiet`: soon after its last byte before the verdict; `verdict`: at the verdict; `end`: when
    the recording ended.
    """

    quiet: Count | None = None
    verdict: Count | None = None
    end: Count | None = None


class Description(_Strict):
    """recording.json.

    `machine`: the argv of the machine, files relative to the folder `recording`; without what
    counts instructions and what connects it. `state`: "recording" until the end is known.
    """

    schema_: Literal["harness-recording/1"] = Field(alias="schema")
    harness: str
    state: Literal["recording", "complete", "broken"]
    why: str = ""
    board: str
    verdict: str | None = None
    machine: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    shift: Annotated[int, Field(ge=0, le=MOST_SHIFT)]
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] | None = None
    emulator: Emulator
    files: dict[FileName, Kept]
    log: Kept | None = None
    console: Kept | None = None
    instructions: Instructions = Instructions()

    def to_json(self) -> Mapping[str, Any]:
        """As it is written."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class Recording:
    """A recording that is whole: every file is there, as it was.

    Args:
        run: the run folder.
    """

    run: Path
    description: Description

    @property
    def folder(self) -> Path:
        """Its files."""
        return self.run / FOLDER

    @property
    def console(self) -> Path:
        return self.run / "console.raw"


def load(run: Path) -> Recording:
    """The recording in a run folder.

    Raises:
        InputError: there is none, it is not whole, or a file of it was changed.
    """
    told = read_description(run)
    where = str(run)
    if told.state == "recording":
        raise InputError(
            "this recording was never ended: the harness was killed, or still records",
            where=where,
            expected="a recording that was ended; QEMU's log of another cannot be replayed",
            hint="record again: harness record; Ctrl-C and SIGTERM end it well, SIGKILL does not",
        )
    if told.state == "broken" or told.log is None or told.console is None:
        raise InputError(
            f"this recording cannot be replayed: {told.why or 'it has no log'}",
            where=where,
            hint="record again: harness record",
        )
    recording = Recording(run, told)
    kept = {LOG: told.log, **told.files}
    for path, file in [(recording.folder / name, one) for name, one in kept.items()] + [
        (recording.console, told.console)
    ]:
        _check(path, file)
    return recording


def read_description(run: Path) -> Description:
    """recording.json of a run folder, whatever state the recording is in.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = run / FILE
    try:
        data = read_regular(path, _MOST, "recording.json")
    except FileNotFoundError:
        raise InputError(
            "no recording is here: there is no recording.json",
            where=str(run),
            expected="the run folder of: harness record, or harness boot --record",
        ) from None
    except (OSError, ValueError) as bad:
        said = bad.strerror if isinstance(bad, OSError) else str(bad)
        raise InputError(f"cannot be read: {said}", where=str(path)) from None
    try:
        told = Description.model_validate_json(data)
    except ValidationError as bad:
        first = bad.errors()[0]
        field = ".".join(str(word) for word in first["loc"])
        raise InputError(
            f"damaged: {field + ': ' if field else ''}{first['msg']}", where=str(path)
        ) from None
    # It names the program that a replay starts.
    if not Path(told.machine[0]).name.startswith("qemu-system-"):
        raise InputError(
            f"damaged: its emulator is {told.machine[0]!r}",
            where=str(path),
            expected="qemu-system-...",
        )
    return told


def write(run: Path, told: Description) -> None:
    """Write recording.json, whole or not at all.

    Raises:
        InfraError: it cannot be written.
    """
    target = run / FILE
    part = target.with_name(f".{FILE}.part")
    try:
        part.write_text(json.dumps(told.to_json(), indent=2) + "\n", encoding="utf-8")
        part.replace(target)
    except OSError as bad:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InfraError.of(bad, "cannot write", target) from None


def kept(path: Path) -> Kept:
    """What a file contains.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
        return Kept(bytes=file.tell(), sha256=digest.hexdigest())


_AGAIN = "copy the run folder once more from where it was recorded, or record again"


def _check(path: Path, wanted: Kept) -> None:
    """Raises: InputError: it is not as it was. InfraError: it cannot be read."""
    try:
        size = path.stat().st_size
        if size != wanted.bytes:
            less = "truncated" if size < wanted.bytes else "longer than it was"
            raise InputError(
                f"{less}: {size} bytes",
                where=str(path),
                expected=f"{wanted.bytes} bytes",
                hint=_AGAIN,
            )
        if not path.is_file() or kept(path).sha256 != wanted.sha256:
            raise InputError(
                "changed since it was recorded",
                where=str(path),
                expected=f"a file with SHA-256 {wanted.sha256}",
                hint=_AGAIN,
            )
    except FileNotFoundError:
        raise InputError(
            "a file of the recording is missing", where=str(path), hint=_AGAIN
        ) from None
    except OSError as bad:
        raise InfraError.of(bad, "cannot read", path) from None
