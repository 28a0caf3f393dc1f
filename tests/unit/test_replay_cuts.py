"""A recorded log that was cut anywhere: stage and partial line are right at every byte.

What is right is said here by hand and by the bytes: a stage is reached when the newline of the line
that shows it is there, and what stands behind the last newline is the partial line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.replay import ReplayRequest, replayed

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "tests" / "data" / "logs"
CORPUS = ROOT.parent / "shared" / "logs"

# The first line that shows each stage, as far as it is unique in the log.
BOOT = (
    (b"(XEN) Xen version 4.8.3 ", "xen"),
    (b"(XEN) ACPI: RSDP ", "acpi"),
    (b"(XEN) I/O virtualisation disabled", "iommu"),
    (b"(XEN) Brought up 4 CPUs", "smp"),
    (b"(XEN) *** LOADING DOMAIN 0 ***", "dom0-build"),
    (b"(XEN) PCI add device 0000:00:00.0", "kernel"),
)
TAIL = ((b"(XEN) HVM: SVM enabled", "iommu"),)
LOGS = {
    OURS / "excerpt-apu2-hang-tail.log": TAIL,
    OURS / "excerpt-apu2-xen-4.8.3.log": BOOT,
    CORPUS / "apu2-hardware-hang-tail.log": TAIL,
    CORPUS / "apu2-hardware-xen-4.8.3-no-iommu.log": BOOT,
}


@dataclass(frozen=True)
class Cut:
    """What a log must say that has only its first bytes."""

    length: int
    stage: str | None
    last_line: str
    partial: str


def cuts(data: bytes, marks: tuple[tuple[bytes, str], ...]) -> Iterator[Cut]:
    """Every cut of a log, byte by byte."""
    stage, last, partial = None, "", b""
    left = list(marks)
    for length, byte in enumerate(data, 1):
        partial += bytes([byte])
        if byte == 0x0A:
            if left and partial.startswith(left[0][0]):
                stage = left.pop(0)[1]
            last, partial = partial[:-1].decode(), b""
        yield Cut(length, stage, last, partial.decode())
    assert not left, f"no such line: {left[0][0]!r}"


@pytest.fixture(params=LOGS, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def log(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    if not path.exists():
        pytest.skip(f"the corpus of recorded logs is not here: {path}")
    return path


def test_a_log_cut_at_every_byte(log: Path, tmp_path: Path) -> None:
    data = log.read_bytes()
    part = tmp_path / "part.log"
    seen = []
    for cut in cuts(data, LOGS[log]):
        part.write_bytes(data[: cut.length])
        result = replayed(ReplayRequest(part)).result
        found = Cut(cut.length, result["stage"], result["last_line"], result["partial_line"])
        assert found == cut
        # In mid-line the board fell silent, as far as anybody can know; between lines nobody can.
        hung = cut.stage is not None and bool(cut.partial.strip())
        assert result["verdict"] == ("HUNG" if hung else "INCOMPLETE"), cut
        assert (repr(cut.partial) in result["cause"]) == hung
        seen.append(cut.stage)
    # It never falls back, and every stage was seen.
    changes = [new for old, new in pairwise([None, *seen]) if new != old]
    assert changes == [stage for _, stage in LOGS[log]]


def test_the_real_hang(log: Path) -> None:
    if LOGS[log] is not TAIL:
        pytest.skip("this boot did not hang")
    result = replayed(ReplayRequest(log)).result
    assert (result["verdict"], result["stage"], result["partial_line"]) == ("HUNG", "iommu", "(")
    assert result["last_line"] == "(XEN) CPU2: No irq handler for vector e7 (IRQ -2147483648)"
    cut = replayed(ReplayRequest(log, truncated=True)).result
    assert (cut["verdict"], cut["stage"], cut["partial_line"]) == ("INCOMPLETE", "iommu", "(")


def test_nothing_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "part.log").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        replayed(ReplayRequest(tmp_path / "part.log"))


def test_a_cut_that_is_told_wrongly_is_seen() -> None:
    """The oracle itself: a stage is not reached before its newline."""
    data = b"x\n(XEN) HVM: SVM enabled\n("
    found = list(cuts(data, TAIL))
    assert [cut.length for cut in found if cut.stage is None] == list(range(1, 25))
    assert found[-1] == Cut(26, "iommu", "(XEN) HVM: SVM enabled", "(")
