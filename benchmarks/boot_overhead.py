"""What the harness adds to the time of a boot: the harness against the bare QEMU command.

Both boot the same files with the same command line, up to the login prompt of dom0, without typing
(`--method multiboot`). Both start QEMU paused and take the time from QMP's `cont` to the chunk of
the serial line that ends with the prompt. The bare reader only looks for the prompt.

They take turns (harness bare, bare harness, ...), so that whatever else the host does meets both.
An emulator with as many threads as the host has CPUs, or more, is slowed down several times over
by a single busy neighbour. So what others use of the CPUs is measured too, and a pair that was
disturbed is measured again, whatever its figures are.
"""

from __future__ import annotations

import argparse
import filecmp
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from itertools import count
from pathlib import Path

from benchmarks.boots import Boot, Stopwatch, bare_boot, harness_boot, in_turn, run
from harness.board import Board
from harness.build.artifacts import Artifacts
from harness.build.binaries import resolve
from harness.errors import InfraError
from harness.request import BootRequest
from harness.session import Session, build_for
from harness.sources import Sources
from harness.target.qemu_command import Wiring, qemu_command


class BareBoots:
    """The bare QEMU command, with a reader that does nothing but wait for the prompt.

    Args:
        artifacts: its files; QEMU runs in their folder.
    """

    def __init__(self, request: BootRequest, artifacts: Artifacts) -> None:
        self._request = request
        self._artifacts = artifacts

    def argv(self, wiring: Wiring) -> list[str]:
        """The command line, by the function that the harness uses."""
        return qemu_command(
            self._request.board,
            self._request.how,
            self._artifacts.files,
            xen_cmdline=self._artifacts.xen_cmdline,
            kernel_cmdline=self._artifacts.kernel_cmdline,
            wiring=wiring,
        )

    def compare(self, argv: Sequence[str], folder: Path) -> None:
        """See that the harness boots what we boot.

        Raises:
            InfraError: another command line, or other files.
        """
        ours = self.argv(Wiring("serial", 0))
        if [re.sub(r"\bfd=\d+", "fd=0", word) for word in argv] != ours:
            raise InfraError("the harness and the bare command have different command lines")
        files = self._artifacts.files
        for name in filter(None, astuple(files)):
            mine, other = self._artifacts.folder / name, folder / name
            if mine.is_file() and not filecmp.cmp(mine, other, shallow=False):
                raise InfraError(f"the harness and the bare command boot different files: {name}")

    def boot(self) -> Boot:
        """One boot by the bare command.

        Raises:
            InfraError: no login prompt came.
        """
        return bare_boot(self.argv, self._artifacts.folder)


class Pairs:
    """Boots in pairs.

    Args:
        folder: an empty folder for the artifacts and the run folders.
        others: a pair waits a while for others to use no more than this part of the CPUs.

    Raises:
        HarnessError: the artifacts cannot be had.
    """

    def __init__(self, request: BootRequest, folder: Path, others: float) -> None:
        work = folder / "bare"
        work.mkdir()
        sources = Sources(offline=request.offline)
        binaries = resolve(request.board, request.roles(), request.uses, sources)
        artifacts = build_for(request, binaries, work)
        self._bare = BareBoots(request, artifacts)
        self._request = request
        self._others = others
        self._outs = (folder / str(number) for number in count())

    def _by_harness(self) -> Boot:
        return harness_boot(replace(self._request, out=next(self._outs)), self._same)

    def _same(self, session: Session, watch: Stopwatch) -> Mapping[str, float]:
        if session.run is not None:
            self._bare.compare(watch.argv, session.run.work)
        return {}

    def __call__(self, *, bare_first: bool) -> tuple[Boot, Boot]:
        """A pair: by the harness, and bare.

        Raises:
            HarnessError: one of them did not reach its login.
        """
        return in_turn(
            self._by_harness, self._bare.boot, bare_first=bare_first, others=self._others
        )


def _pairs(board: Board, folder: Path, options: argparse.Namespace) -> Pairs:
    request = BootRequest(board=board, method="multiboot", offline=options.offline, login=False)
    return Pairs(request, folder, options.others)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    what = "Time from power-on to the login prompt: the harness against bare QEMU."
    name = "benchmarks.boot_overhead"
    return run(name, what, _pairs, argv, board="apu2", pairs=7, bound=1.05)


if __name__ == "__main__":
    raise SystemExit(main())
