"""The run folder of a boot of a soak: labelled; small if it passed; brought home; found again.

A run that passed keeps result.json as it is; what else it wrote is compressed, file by file, and
its work files go. One that failed stays as it is.

    zcat 00017/console.raw.gz | harness replay - --board apu2
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import InfraError, InputError
from harness.run import RESULT
from harness.soak.signature import counts
from harness.verdict import Kind

_WORK, _OWNER = "work", "owner.lock"
_LARGEST = 512 << 20  # bytes of a file that is brought home
_LEFT = "left-behind.txt"


def label(task: Mapping[str, Any]) -> dict[str, Any]:
    """`soak` of result.json: which boot it is, and what was done to it on purpose."""
    recipe = task["injected"]
    return {
        "boot": task["number"],
        "seed": task["seed"],
        "injected": None if recipe is None else {k: recipe[k] for k in ("id", "title", "verdict")},
    }


def keep(folder: Path, task: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Finish the run folder of a boot that has its result; done twice, it is as done once.

    Returns:
        The result, labelled; INFRA if other binaries were booted than those of the soak.
    """
    made = _same_binaries(task, {**result, "soak": label(task)})
    if not folder.is_dir():
        return made
    try:
        _write(folder / RESULT, json.dumps(made, indent=2).encode() + b"\n")
        if made["verdict"] == Kind.PASS:
            _compress(folder)
    except OSError as bad:
        made["not_written"] = InfraError.of(bad, "cannot write", folder).message
    return made


def adopted(folder: Path, task: Mapping[str, Any]) -> dict[str, Any] | None:
    """The result of a boot that had ended when the soak was killed; None: there is none."""
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # What our side failed may have failed because we were being killed.
    if not isinstance(result, dict) or not counts(str(result.get("verdict"))):
        return None
    result = keep(folder, task, result)
    with contextlib.suppress(OSError):
        (folder / _OWNER).unlink(missing_ok=True)
    return result if counts(result["verdict"]) else None


def packed(folder: Path) -> bytes:
    """The files of a run folder, but for its work files, as a tar.

    A file that is too large to be sent is named in `left-behind.txt`.
    """
    made, left = io.BytesIO(), list[str]()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as tar:
        for path in sorted(folder.glob("*")):
            if path.name in {_WORK, _OWNER} or path.is_symlink() or not path.is_file():
                continue
            if path.stat().st_size > _LARGEST:
                left.append(f"{path.name}: {path.stat().st_size} bytes")
                continue
            tar.add(path, path.name)
        if left:
            data = ("\n".join(left) + "\n").encode()
            entry = tarfile.TarInfo(_LEFT)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Bring the files of `packed` home; the folder is new afterwards.

    Raises:
        InputError: they are damaged, or would leave the folder.
        InfraError: they cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        _gone(part)
        part.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            for entry in tar:
                _taken_out(tar, entry, part)
        _gone(folder)
        part.rename(folder)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as bad:
        raise InputError(f"the files of a run came damaged: {bad}", where=str(folder)) from None
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", folder) from None


def _taken_out(tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    """One file. `packed` makes plain files of one folder; whatever else comes is not ours.

    Python before 3.11.4 (Debian 12's) has no filters for this.
    """
    source = tar.extractfile(entry) if entry.isreg() else None
    if source is None or entry.name in {"", ".", ".."} or "/" in entry.name:
        raise tarfile.TarError(f"{entry.name!r} is no file of a run folder")
    with source, (folder / entry.name).open("xb") as file:
        shutil.copyfileobj(source, file)
        if file.tell() != entry.size:
            raise tarfile.TarError(f"{entry.name!r} is cut")


def brought_home(
    data: bytes, folder: Path, task: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, Any]:
    """The files of `packed` in a folder of this machine, and the result that says so.

    Raises:
        InputError, InfraError: as `unpack`.
    """
    unpack(data, folder)
    return keep(folder, task, {**result, "run_folder": str(folder.absolute())})


def scratch_of(folder: Path) -> Path:
    """A folder for files that a boot needs, and that are no part of its run; it is made.

    Raises:
        InfraError: it cannot be made.
    """
    path = folder.with_name(f".{folder.name}")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as bad:
        raise InfraError.of(bad, "cannot make", path) from None
    return path


def clear(folder: Path) -> None:
    """Make room for a boot that is done again; what was left of it has no result.

    Raises:
        InfraError: it cannot be removed.
    """
    try:
        _gone(folder)
        _gone(folder.with_name(f".{folder.name}"))
    except OSError as bad:
        raise InfraError.of(bad, "cannot remove", folder) from None


def _same_binaries(task: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    booted = result.get("binaries") or {}
    for role, wanted in task["binaries"].items():
        got = booted.get(role, {}).get("sha256", wanted)
        if got != wanted and counts(result["verdict"]):
            why = f"another {role} than the soak began with: {got[:12]}, not {wanted[:12]}"
            result |= {
                "verdict": str(Kind.INFRA),
                "cause": why,
                "ending": {"kind": "infra", "detail": why},
            }
    return result


def _compress(folder: Path) -> None:
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    for path in folder.iterdir():
        if path.name in {RESULT, _OWNER} or path.suffix == ".gz" or not path.is_file():
            continue
        # Without a time in it, the same bytes make the same file.
        _write(path.with_name(f"{path.name}.gz"), gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _gone(folder: Path) -> None:
    if folder.is_symlink() or folder.exists():
        shutil.rmtree(folder)
