"""What a baseline accepts, in the reports."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.lint.baseline import Compared, Entry
from harness.lint.report import as_json
from harness.texts import printable


def add_to_json(document: dict[str, Any], compared: Compared) -> None:
    """Add `accepted` to each input of the document, and `stale` to the document."""
    old = [
        dataclasses.replace(one, findings=accepted)
        for one, accepted in zip(compared.new, compared.accepted, strict=True)
    ]
    for one, accepted in zip(document["inputs"], as_json(old)["inputs"], strict=True):
        one["accepted"] = accepted["findings"]
    document["stale"] = [dataclasses.asdict(entry) for entry in compared.stale]


def as_text(compared: Compared, name: str) -> str:
    """A paragraph for what is accepted, and a note for each entry that no longer applies."""
    accepted = [finding for each in compared.accepted for finding in each]
    rows = []
    if accepted:
        rows.append(f"accepted by {name}:")
        rows += [f"  {one.where}: {one.severity}: {one.message} [{one.rule}]" for one in accepted]
    rows += [f"{name}: note: {_stale(entry)}" for entry in compared.stale]
    return printable("\n".join(row.replace("\n", r"\n") for row in rows))


def _stale(entry: Entry) -> str:
    times = f" ({entry.count} times)" if entry.count > 1 else ""
    return (
        f"no longer found in {entry.input}{times}: {entry.message} [{entry.rule}]; "
        "--write-baseline leaves it out"
    )
