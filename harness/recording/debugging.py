"""A replay under gdb: stopped where the machine hangs, with names for its addresses.

An instruction of a replay is named by its number: the machine is stopped before it by QEMU, not by
a breakpoint, so that no symbol is needed to get there, and it is the same one each time. How gdb
and a replay go together: docs/system/replay.rst of QEMU, appendix E of the manual of gdb.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import tools
from harness.errors import HarnessError, InputError, TargetError, ToolMissing, UsageError
from harness.recording.model import Recording
from harness.recording.replaying import Replay, replaying
from harness.run import RESULT
from harness.sources import DebianFile, Sources
from harness.target.base import ChannelClosed

COMMANDS = "gdb-commands"
_SOCKET = "gdb"
_PROGRAMS = ("gdb-multiarch", "gdb")
_LOOPBACK = "127.0.0.1"
_SYMBOLS = "usr/lib/debug/boot/xen-syms-*"
_ELF = b"\x7fELF"
_ARCHITECTURES = {
    "qemu-system-x86_64": "i386:x86-64",
    "qemu-system-aarch64": "aarch64",
    "qemu-system-arm": "arm",
}
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_.$]*")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Stop:
    """Where a replay stops.

    Args:
        instruction: before which; 0 = it does not run before gdb lets it.
        symbol: where gdb then stops it; "" = nowhere.
        why: for people.
    """

    instruction: int
    symbol: str
    why: str


@dataclass(frozen=True)
class Held:
    """A replay that stands, and waits for gdb.

    Args:
        commands: the file for gdb -x.
        where: what gdb connects to.
        notes: what gdb will miss.
    """

    replay: Replay
    stop: Stop
    commands: Path
    where: str
    notes: tuple[str, ...]

    @property
    def argv(self) -> list[str]:
        """What a person starts."""
        return [gdb_or_its_name(), "-q", "-x", str(self.commands)]


def gdb() -> Path:
    """gdb, one that knows many processors if there is one.

    Raises:
        ToolMissing: with the line that installs it.
    """
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ToolMissing("gdb is not installed", hint=tools.install_line(["gdb-multiarch"]))


def gdb_or_its_name() -> str:
    """As `gdb`, for a line to paste elsewhere."""
    try:
        return gdb().name
    except ToolMissing:
        return _PROGRAMS[0]


def stop_of(recording: Recording, at: str | None) -> Stop:
    """Where to stop: "hang", "start", the number of an instruction, or a symbol.

    Args:
        at: None = at the hang if it hung, else before the first instruction.

    Raises:
        UsageError: it is none of these, or this recording has no hang.
        InputError: it does not say where it hung.
    """
    told = recording.description
    hung = told.verdict == "HUNG"
    at = at or ("hang" if hung else "start")
    if at == "start":
        return Stop(0, "", "before the first instruction")
    if at == "hang":
        if not hung:
            raise UsageError(
                f"--at hang: this boot did not hang, its verdict is {told.verdict}",
                expected="start, the number of an instruction, or a symbol",
            )
        count = told.instructions.quiet or told.instructions.verdict
        if not count:
            raise InputError("it does not say where it hung", where=str(recording.run))
        return Stop(count, "", f"in the hang, at instruction {count}")
    if _NUMBER.fullmatch(at):
        count, end = int(at), told.instructions.end
        if end is not None and count > end:
            raise UsageError(f"--at {at}: the recording ends before", expected=f"at most {end}")
        return Stop(count, "", f"at instruction {count}")
    if _SYMBOL.fullmatch(at):
        return Stop(0, at, f"where {at} is executed first")
    raise UsageError(
        f"--at {at}", expected="hang, start, the number of an instruction, or a symbol"
    )


@contextmanager
def held(
    recording: Recording,
    stop: Stop,
    listen: str = "",
    symbols: Sequence[Path] = (),
    *,
    offline: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Held]:
    """Replay up to `stop` and wait there for gdb; the machine is gone when the `with` ends.

    Args:
        listen: a port of this host, or the path of a Unix socket; "" = a socket of ours.
        symbols: the user's files (xen-syms, vmlinux).
        progress: is told about once a second how many instructions were executed.

    Raises:
        As `replaying`; TargetError: it does not get there.
    """
    if listen:
        _listening(listen)  # before the replay, which takes its time
    notes: list[str] = []
    files = list(symbols) or _of_xen(recording, notes, offline=offline)
    with replaying(recording) as replay:
        own = replay.folder / _SOCKET
        where, server = _listening(listen or str(own))
        if stop.instruction:
            _advance(replay, stop.instruction, progress)
        replay.open_for_gdb(server)
        try:
            text = commands(recording, stop, where, files)
            path = _written(recording.run, replay.folder, text)
            yield Held(replay, stop, path, where, (*replay.notes, *notes))
        finally:
            if server.startswith("unix:"):
                Path(where).unlink(missing_ok=True)


def _listening(listen: str) -> tuple[str, str]:
    """What gdb connects to, and QEMU's words for it.

    Raises:
        UsageError: it is neither a port nor a path that is free.
    """
    if _NUMBER.fullmatch(listen):
        if not 1 <= int(listen) <= 65535:
            raise UsageError(f"--gdb {listen}", expected="a port, 1 to 65535")
        return f"{_LOOPBACK}:{listen}", f"tcp:{_LOOPBACK}:{listen},server=on,wait=off"
    path = str(Path(listen).absolute())
    # sun_path has 108 bytes; the words are separated at spaces and commas by QEMU.
    if len(path.encode()) > 107 or not re.fullmatch(r"[A-Za-z0-9_./+@%:~-]+", path):
        raise UsageError(
            f"--gdb {listen}", expected="a port, or a path of less than 108 plain characters"
        )
    if Path(path).exists():  # QEMU would remove it, whatever it is
        raise UsageError(f"--gdb {listen}: is there already", expected="a path that is free")
    return path, f"unix:{path},server=on,wait=off"


def _advance(replay: Replay, count: int, progress: Callable[[int], None]) -> None:
    """Until it stands before this instruction.

    Raises:
        TargetError: the recording ends before.
    """
    replay.stop_at(count)
    replay.go()
    told = time.monotonic()
    while (status := replay.status()) == "running":
        _take(replay)
        if time.monotonic() - told > 1.0:
            told = time.monotonic()
            progress(replay.instructions())
    _take(replay)
    there = replay.instructions()
    if status != "paused" or there < count:
        raise TargetError(
            f"the replay does not get to instruction {count}: QEMU says {status!r} at {there}"
        )


def _take(replay: Replay) -> None:
    """What it prints, so that its line is never full. Raises: TargetDied."""
    try:
        while replay.target.channel.read(65536, 0.1):
            pass
    except ChannelClosed:
        raise (replay.died() or TargetError("QEMU closed its serial line")) from None


def commands(recording: Recording, stop: Stop, where: str, symbols: Sequence[Path]) -> str:
    """What gdb executes first."""
    emulator = Path(recording.description.machine[0]).name
    rows = [
        f"# {recording.description.board}: a replay of a recorded boot, {stop.why}.",
        "set pagination off",
        "set confirm off",
    ]
    architecture = _ARCHITECTURES.get(emulator)
    if architecture is not None:
        rows.append(f"set architecture {architecture}")
    first = "symbol-file"
    for path in symbols:
        quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
        rows.append(f'{first} "{quoted}"')
        first = "add-symbol-file"
    rows.append(f"target remote {where}")
    if stop.symbol:
        # In hardware, as QEMU understands it: one in memory would change what is replayed.
        rows += [f"thbreak {stop.symbol}", "continue"]
    rows += ["info symbol $pc", "x/i $pc", "backtrace 12"]
    return "\n".join(rows) + "\n"


def _written(run: Path, folder: Path, text: str) -> Path:
    """In the run folder; beside the socket if that cannot be written."""
    for path in (run.absolute() / COMMANDS, folder / COMMANDS):
        try:
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return path
    raise TargetError(f"cannot write {folder / COMMANDS}")


def _of_xen(recording: Recording, notes: list[str], *, offline: bool) -> list[Path]:
    """Xen with its symbols, of the version that was booted; what is missing is a note."""
    xen = _booted_xen(recording)
    hint = "give xen-syms with --symbols FILE"
    if xen.get("origin") != "debian":
        notes.append(f"no symbols: it is not known where this Xen is from; {hint}")
        return []
    package = f"{xen.get('package')}-dbg"
    try:
        wanted = DebianFile(
            package, None, _SYMBOLS, str(xen["suite"]), str(xen["arch"]), str(xen["version"])
        )
        tree = Sources(offline=offline).tree("xen-symbols", wanted, [_SYMBOLS])
        found = [tree.path / name for name in sorted(tree.files)]
        found = [path for path in found if path.open("rb").read(len(_ELF)) == _ELF]
    except (HarnessError, KeyError, OSError) as bad:
        said = bad.message if isinstance(bad, HarnessError) else str(bad)
        notes.append(f"no symbols: {package} {xen.get('version')}: {said}; {hint}")
        return []
    if not found:
        notes.append(f"no symbols: {package} has no {_SYMBOLS} with symbols; {hint}")
    return found[:1]


def _booted_xen(recording: Recording) -> dict[str, Any]:
    """What result.json says of the Xen that was booted; {} if it does not."""
    try:
        told = json.loads((recording.run / RESULT).read_text(encoding="utf-8"))
        xen = told["binaries"]["xen"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return xen if isinstance(xen, dict) else {}
