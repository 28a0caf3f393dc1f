from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.formats.xl import escaped, parse_ls, unescaped

DATA = Path(__file__).parents[3] / "data/xl/x86-4.17"


def test_a_recorded_store() -> None:
    root = parse_ls((DATA / "xenstore-ls.txt").read_text())
    assert list(root.children) == ["tool", "local"]
    name = root.find("/local/domain/0/name")
    assert name is not None
    assert (name.value, name.permissions, name.path) == (
        "Domain-0",
        ("n0",),
        "/local/domain/0/name",
    )
    assert root.find("local/domain/1") is None
    assert root.find("local/domain/1/name") is None
    assert [node.path for node in root][:4] == [
        "/tool",
        "/tool/xenstored",
        "/local",
        "/local/domain",
    ]


def test_a_part_of_the_store() -> None:
    text = '/a/b/c = "1"   (n0,r3,b12)\n/a/b/c/d = "x "y" z"\n/a/bc = "other"\nnoise = 3\n'
    root = parse_ls(text, "/a/b/")
    assert (root.path, list(root.children)) == ("/a/b", ["c"])
    node = root.find("c")
    assert node is not None
    assert node.permissions == ("n0", "r3", "b12")
    assert node.children["d"].value == 'x "y" z'


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("plain", "plain"),
        (r"a\\b", "a\\b"),
        (r"tab\tline\nend\r", "tab\tline\nend\r"),
        (r"\x1b[0m", "\x1b[0m"),
        (r"\0end", "\0end"),
        (r"\0037", "\x037"),
        (r"\xc3\xa9", "é"),
        (r"\xff", "\udcff"),
    ],
)
def test_escapes(printed: str, value: str) -> None:
    assert unescaped(printed) == value
    assert unescaped(escaped(value)) == value


@given(st.binary(max_size=60))
def test_any_value_comes_back(data: bytes) -> None:
    value = data.decode("utf-8", "surrogateescape")
    printed = escaped(value)
    assert printed.isascii()
    assert printed.isprintable() or not printed
    assert unescaped(printed) == value


@given(st.text(max_size=300))
def test_any_text_is_parsed(text: str) -> None:
    root = parse_ls(text + '\n/a/b = "c"\n')
    found = root.find("a/b")
    assert found is not None
    assert found.value == "c"
