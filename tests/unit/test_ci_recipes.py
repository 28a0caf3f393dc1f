"""The jobs of docs/ci.md are YAML, and run commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.cli import parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ci.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def texts(one: Any) -> Iterator[str]:
    if isinstance(one, str):
        yield one
    elif isinstance(one, dict):
        for each in one.values():
            yield from texts(each)
    elif isinstance(one, list):
        for each in one:
            yield from texts(each)


def commands(block: str) -> list[list[str]]:
    """The arguments of each call of `harness` in a job."""
    found = []
    for text in texts(YAML(typ="safe").load(block)):
        match = re.match(r"(?:\S*/)?harness (.*?)(?: > \S+)?$", text)
        if match:
            found.append(shlex.split(match[1]))
    return found


def test_both_hosts_have_a_job() -> None:
    github, gitlab = (YAML(typ="safe").load(block) for block in BLOCKS)
    assert "jobs" in github
    assert gitlab["lint-acpi"]["artifacts"]["reports"] == {"junit": "lint.xml"}


@pytest.mark.parametrize("block", BLOCKS, ids=["github", "gitlab"])
def test_the_commands_of_a_job_parse(block: str) -> None:
    said = commands(block)
    assert len(said) == 2
    for words in said:
        assert parser().parse_args(words).files == [Path("acpi/apu2.txt")]


def test_an_option_that_does_not_exist_is_seen() -> None:
    (words, *_) = commands(BLOCKS[0].replace("--format sarif", "--formatt sarif"))
    with pytest.raises(SystemExit):
        parser().parse_args(words)
