"""Whatever is in the file: a board or a profile error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.board import load
from harness.errors import ProfileError
from tests.unit.board.profiles import PLAIN, Writer


def only_profile_errors(path: Path) -> None:
    where = str(path)
    try:
        load(str(path))
    except ProfileError as bad:
        where = str(bad.where)
    assert path.name in where


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
YAMLISH = st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%#,~<=.0123xo_\n\t \\@`"), max_size=60)


@FUZZ
@given(content=st.one_of(st.binary(max_size=200), st.text().map(lambda t: t.encode("utf-8"))))
def test_arbitrary_bytes_are_a_profile_error(content: bytes, write: Writer) -> None:
    only_profile_errors(write(content))


@settings(FUZZ, max_examples=400)
@given(text=YAMLISH)
def test_what_looks_like_yaml_is_a_profile_error(text: str, write: Writer) -> None:
    only_profile_errors(write(text))


@settings(FUZZ, max_examples=60)
@given(place=st.integers(0, len(PLAIN)), gone=st.integers(0, 6), text=YAMLISH)
def test_a_damaged_profile_is_a_profile_error(
    place: int, gone: int, text: str, write: Writer
) -> None:
    only_profile_errors(write(PLAIN[:place] + text + PLAIN[place + gone :]))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = re.findall(r"^(\w+):", PLAIN, re.MULTILINE)


@settings(FUZZ, max_examples=100)
@given(key=st.sampled_from(KEYS), value=JSON)
def test_any_value_of_any_key_is_a_profile_error(key: str, value: object, write: Writer) -> None:
    write(PLAIN)
    # YAML is a superset of JSON but for NaN, which is a word there.
    only_profile_errors(write(f"extends: plain\n{key}: {json.dumps(value)}\n", "child"))
