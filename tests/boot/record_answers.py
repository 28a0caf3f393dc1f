"""Asks the real Xen about every named mutation, and keeps the answers for tests without QEMU.

    python tests/boot/record_answers.py [--jobs N] [xen-4.14 xen-4.17 xen-4.20]

writes tests/data/acpi/answers-NAME.json. The same question has the same answer on any host.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.acpi.builder import Spec, build, q35_ivrs
from harness.acpi.mutations import NAMED, apply_to_ivrs
from harness.ask import Asked, Consumer, Question, ask_many, consumers
from harness.board.load import load
from harness.sources import Sources

DATA = Path(__file__).parents[1] / "data" / "acpi"
NAMES = ("xen-4.14", "xen-4.17", "xen-4.20")


def record(consumer: Consumer, jobs: int) -> dict[str, object]:
    """The answers of one version, ready for JSON."""
    tables = {name: apply_to_ivrs(q35_ivrs(), mutation) for name, mutation in NAMED.items()}
    asked = ask_many(
        [Question(build(Spec(ivrs=data)), consumer, name=name) for name, data in tables.items()],
        jobs=jobs,
        progress=_shown,
    )
    answers = {}
    for one in asked:
        if one.answer is None:
            raise SystemExit(f"{one.question.name}: {one.error}")
        data = tables[one.question.name]
        answers[one.question.name] = {
            "ivrs": None if data is None else data.hex(),
            "outcome": one.answer.outcome,
            "messages": list(one.answer.messages),
            **({"panic": list(one.answer.panic)} if one.answer.panic else {}),
        }
        version = one.answer.version
    return {
        "consumer": consumer.name,
        "version": version,
        "package": consumer.binary.version if consumer.binary else None,
        "cpus": 1,
        "baseline": q35_ivrs().hex(),
        "answers": answers,
    }


def _shown(done: int, of: int, asked: Asked) -> None:
    outcome = asked.answer.outcome if asked.answer else str(asked.error)
    sys.stderr.write(
        f"{done}/{of} {asked.question.consumer.name} {asked.question.name}: {outcome}\n"
    )


def main() -> None:
    """Record the versions that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        found = consumers(options.names, load("apu2"), Sources(), Path(name))
        for consumer in found:
            text = json.dumps(record(consumer, options.jobs), indent=1)
            (DATA / f"answers-{consumer.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
