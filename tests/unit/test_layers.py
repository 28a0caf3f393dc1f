"""Layers import downwards only. The picture is in CONTRIBUTING.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Lowest first; the modules of one row do not know each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "data", "texts", "workfolder"),
    ("tools", "regular"),
    ("process",),
    ("formats", "bootlog", "statistics", "symbols"),
    ("rules", "devicetree"),
    ("verdict",),
    ("board", "sources", "generic"),
    ("acpi",),
    ("lint",),
    ("expectations",),
    ("build",),
    ("serve",),
    ("target",),
    ("console", "deadlines"),
    ("shell",),
    ("toolstack",),
    ("guests", "tracing"),
    ("request", "run"),
    ("judging", "methods", "sdcard"),
    ("session", "follow"),
    ("result", "ask"),
    ("boot", "replay", "snapshot", "asked"),
    ("forensics",),
    ("recording",),
    ("soak", "bisecting"),
    ("report",),
    ("boardtests", "silentboard"),
    ("fixtures",),
    ("cli", "plugin"),
    ("__main__",),
)
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
FILES = sorted((ROOT / "harness").rglob("*.py"))


def part_of(file: Path) -> str:
    return file.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


def imports(source: str) -> set[str]:
    """The parts of harness that a module imports, type-checking imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "harness" and len(parts) > 1 and parts[1] in RANK:
                found.add(parts[1])
    return found


def violations(part: str, source: str) -> list[str]:
    return [
        f"{part} imports {other}"
        for other in sorted(imports(source))
        if other != part and RANK[other] >= RANK[part]
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_module_imports_only_from_layers_below(file: Path) -> None:
    part = part_of(file)
    if part == "__init__":
        assert not imports(file.read_text())
        return
    assert part in RANK, f"{part}: add it to LAYERS, and to the picture in CONTRIBUTING.md"
    assert violations(part, file.read_text()) == []


def test_an_upward_import_is_seen() -> None:
    assert violations("verdict", "from harness.console import Console") == [
        "verdict imports console"
    ]
    assert violations("console", "from harness import boot") == ["console imports boot"]


def test_no_code_asks_for_the_name_of_a_board() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                assert "board.name ==" not in text or "file.stem" in text, f"{file}: {text}"
