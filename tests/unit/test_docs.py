"""The documents say what the code does: fields, commands, options, links, layers."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import plugin
from harness.cli import parser
from harness.replay import ReplayRequest, replayed

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
RESULT = ROOT / "docs" / "result-json.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# What tells a user how to use a command; the changelog only says that it exists.
MANUAL = [page for page in PAGES if page.name not in {"CHANGELOG.md", "CONTRIBUTING.md"}]
LOG = ROOT / "tests" / "data" / "logs" / "excerpt-apu2-hang-tail.log"

_SPAN = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command with its parser: "harness", "harness boot", "harness boards show" ..."""
    return dict(_walk("harness", parser()))


def _walk(name: str, one: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, one
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                yield from _walk(f"{name} {word}", sub)


def options_of(one: argparse.ArgumentParser) -> set[str]:
    found = {text for action in one._actions for text in action.option_strings}
    return {text for text in found if text.startswith("--")}


def plugin_options() -> set[str]:
    own = pytest.Parser(_ispytest=True)
    plugin.pytest_addoption(own)
    return {name for group in own._groups for option in group.options for name in option.names()}


def table_keys(text: str) -> set[str]:
    """What stands in code type in the first column of a Markdown table."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {span for cell in cells for span in _SPAN.findall(cell)}


def said_commands(text: str) -> list[str]:
    """The command lines of `harness` in a page: in code blocks and in code type."""
    whole = text.replace("\\\n", " ")  # a command that goes on in the next line
    blocks = [line.strip() for line in whole.splitlines() if line.startswith("    ")]
    found = []
    for piece in (*blocks, *_SPAN.findall(text)):
        match = re.search(r"(?:^|[\s';/])(harness(?: (?!-\s)[^#;|`]+)?)", piece.removeprefix("$ "))
        if match and re.match(r"harness(\s|$)", match[1]):
            found.append(match[1].strip())
    return found


def complaint(line: str) -> str | None:
    """What is wrong with a command line of a page; None if the parser knows all of it."""
    words = shlex.split(line.replace("\\", " ").replace("'", " ").replace('"', " "))
    known, name, rest = commands(), "harness", words[1:]
    while rest and f"{name} {rest[0]}" in known:
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name == "harness" and rest and re.fullmatch(r"[a-z]+", rest[0]):
        return f"no command {rest[0]}"
    # An option of a command stands also before its subcommand.
    allowed = {o for n, p in known.items() if name.startswith(n) for o in options_of(p)}
    wrong = [word for word in _OPTION.findall(" ".join(rest)) if word not in allowed]
    return f"{name} has no {', '.join(wrong)}" if wrong else None


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(page: Path, text: str) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            dead.append(link)
    return dead


def missing_keys(text: str) -> set[str]:
    return set(replayed(ReplayRequest(LOG)).result) - table_keys(text.partition("\n### ")[0])


def test_every_field_of_a_result_is_documented() -> None:
    assert missing_keys(RESULT.read_text("utf-8")) == set()


def test_a_field_that_is_not_documented_is_seen() -> None:
    text = RESULT.read_text("utf-8").replace("| `facts_of` |", "| `facts` |")
    assert missing_keys(text) == {"facts_of"}


def test_no_field_is_documented_that_a_result_does_not_have() -> None:
    text = RESULT.read_text("utf-8").partition("## Fields")[2].partition("\n### ")[0]
    assert table_keys(text) == set(replayed(ReplayRequest(LOG)).result)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_in_a_page_exists(page: Path) -> None:
    found = said_commands(page.read_text("utf-8"))
    assert [c for line in found if (c := complaint(line))] == []


def test_the_commands_of_the_readme_are_found_at_all() -> None:
    found = said_commands(README.read_text("utf-8"))
    assert {"boot", "replay", "runs", "doctor"} <= {
        line.split()[1] for line in found if " " in line
    }


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("harness boot apu2 --xan 4.20", "harness boot has no --xan"),
        ("harness boots apu2", "no command boots"),
        ("harness runs prune --board apu2", "harness runs prune has no --board"),
        ("harness runs prune --keep 5", None),
    ],
)
def test_a_command_that_does_not_exist_is_seen(line: str, wrong: str | None) -> None:
    assert complaint(line) == wrong


def test_every_target_of_make_in_a_page_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.M))
    targets = {name for row in targets for name in row.split()}
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    said = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.M))
    assert {"boot", "test"} <= said <= targets


def test_every_option_of_pytest_in_a_page_exists() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    lines = re.findall(r"(?:`|^    (?:\$ )?)(?:\.venv/bin/)?pytest ([^`\n#]+)", text, re.M)
    assert lines
    others = {"--pyargs", "--junit-xml", "--update-golden"}  # of pytest, and of conftest.py
    assert {word for line in lines for word in _OPTION.findall(line)} <= plugin_options() | others


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text("utf-8")) == []


def test_a_dead_link_is_seen() -> None:
    text = "[a](docs/no-such-page.md) [b](#no-such-head) [c](LICENSE)\n# A head\n[d](#a-head)"
    assert dead_links(README, "[a](no.md) [c](LICENSE)") == ["no.md"]
    assert dead_links(README, text) == ["docs/no-such-page.md", "#no-such-head", "#a-head"]


def unmentioned(text: str) -> set[str]:
    """Commands and options that a text does not mention."""
    known = commands()
    names = {name for name in known if name != "harness"}
    options = {o for one in known.values() for o in options_of(one)} | plugin_options()
    said = set(_OPTION.findall(text))
    gone = {name for name in names if not re.search(rf"\b{name}\b", text)}
    return gone | (options - said - {"--help", "--version"})


def test_every_command_and_option_is_in_the_manual() -> None:
    assert unmentioned("\n".join(page.read_text("utf-8") for page in MANUAL)) == set()


def test_an_option_that_nobody_mentions_is_seen() -> None:
    text = "\n".join(page.read_text("utf-8") for page in MANUAL)
    assert unmentioned(text.replace("--bad-if", "").replace("harness runs prune", "")) == {
        "--bad-if",
        "harness runs prune",
    }


def test_the_picture_of_the_layers_is_that_of_the_code() -> None:
    tree = ast.parse((ROOT / "tests" / "unit" / "test_layers.py").read_text("utf-8"))
    [layers] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "LAYERS" and node.value
    ]
    drawn = re.findall(
        r"^ *(\d+)  (\w+)(?:\.py|/) ",
        (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert {name: int(rank) for rank, name in drawn} == {
        name: rank for rank, row in enumerate(layers) for name in row
    }
