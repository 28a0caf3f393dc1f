"""How fast the boot log is read: lines/s and MB/s, run by hand.

    python benchmarks/bootlog.py [LOG ...]      (default: tests/data/logs)

The logs are repeated to about 20 MB. The first boot of a log is parsed for facts and what comes
after it only watched, so the parser is also measured with one parser per log.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.bootlog import BootLogParser, LineAssembler

SIZE = 20_000_000
CHUNK = 65536
LOGS = Path(__file__).parents[1] / "tests" / "data" / "logs"


def assemble(data: bytes, chunk: int = CHUNK) -> int:
    """Lines of the data, without a parser."""
    assembler = LineAssembler()
    return sum(len(assembler.feed(data[i : i + chunk], 0.0)) for i in range(0, len(data), chunk))


def parse(data: bytes, chunk: int = CHUNK) -> int:
    """Lines of the data, parsed as a console does it."""
    assembler, parser, count = LineAssembler(), BootLogParser(), 0
    for start in range(0, len(data), chunk):
        for line in assembler.feed(data[start : start + chunk], 0.0):
            parser.feed(line)
            count += 1
        parser.see_partial(assembler.partial, 0.0)
    assert parser.log  # noqa: S101  the snapshot is part of the cost
    return count


def measure(name: str, size: int, work: Callable[[], int]) -> None:
    """Prints the best of three runs."""
    best, lines = float("inf"), 0
    for _ in range(3):
        start = time.perf_counter()
        lines = work()
        best = min(best, time.perf_counter() - start)
    print(f"{name:32} {size / best / 1e6:7.1f} MB/s {lines / best / 1e3:7.0f} k lines/s")


def main() -> None:
    """Measures the logs that the command line names."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(LOGS.glob("qemu-*"))
    logs = [path.read_bytes() for path in paths]
    together = b"\n".join([*logs, b""])
    rows = [row for row in together.split(b"\n") if row.startswith((b"(XEN) ", b"["))]
    mixed = together * (SIZE // len(together) + 1)
    plain = b"\n".join([*rows, b""])
    plain *= SIZE // len(plain) + 1
    measure("assembler, Xen and kernel lines", len(plain), lambda: assemble(plain))
    measure("assembler, whole logs", len(mixed), lambda: assemble(mixed))
    measure("assembler, chunks of 256 bytes", len(mixed), lambda: assemble(mixed, 256))
    measure("with parser, Xen and kernel", len(plain), lambda: parse(plain))
    measure("with parser, whole logs", len(mixed), lambda: parse(mixed))
    repeat = SIZE // len(together) // 4 + 1
    size = sum(map(len, logs)) * repeat
    measure("with parser, one per log", size, lambda: sum(parse(log) for log in logs * repeat))


if __name__ == "__main__":
    main()
