from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from harness import data
from harness.board.schema import schema_text

ROOT = Path(__file__).parents[3]
PROFILES = sorted(data.folder("boards").glob("*.yaml"))
SCHEMA = Draft202012Validator(json.loads(schema_text()))


def parsed(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(data.folder("boards") / f"{name}.yaml")
    return loaded


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_schema_in_docs_is_the_one_of_the_code() -> None:
    known = (ROOT / "docs" / "board.schema.json").read_text()
    assert known == schema_text(), "make schema writes it anew"


@pytest.mark.parametrize("file", PROFILES, ids=lambda f: f.stem)
def test_shipped_profiles_fit(file: Path) -> None:
    assert [e.message for e in SCHEMA.iter_errors(YAML(typ="safe").load(file))] == []


@pytest.mark.parametrize("file", PROFILES, ids=lambda f: f.stem)
def test_shipped_profiles_name_the_schema_for_editors(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../docs/board.schema.json"
    assert (file.parent / first.partition("=")[2]).is_file()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("apu2", ("titel",), "x"),
        ("apu2", ("targets", "qemu", "machin"), "q35"),
        ("apu2", ("targets", "qemu", "smp"), "4"),
        ("apu2", ("binaries", "xen", "packge"), "x"),
        ("apu2", ("binaries", "zen"), {"file": "x"}),
        ("apu2", ("boot", "method"), "floppy"),
        ("apu2", ("expectations", 0, "remove"), True),
        ("apu2-no-iommu", ("targets", "qemu", "machin"), "q35"),
        ("apu2-no-iommu", ("titel",), "x"),
        ("apu2-no-iommu", ("expectations", 0, "remove"), False),
        ("apu2-no-iommu", ("hardware", "ioapics"), [{"id": 4}]),
    ],
)
def test_what_does_not_fit_is_refused(name: str, path: tuple[Any, ...], value: object) -> None:
    profile = parsed(name)
    place = profile
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not SCHEMA.is_valid(profile)


@pytest.mark.parametrize("key", ["xen", "name", "schema"])
def test_a_profile_without_a_parent_must_be_whole(key: str) -> None:
    profile = parsed("apu2")
    del profile[key]
    assert not SCHEMA.is_valid(profile)


def test_a_variant_may_be_partial_at_any_depth() -> None:
    variant = {
        "extends": "apu2",
        "name": "x",
        "targets": {"qemu": {"smp": 2, "quirks": [{"id": "smap", "remove": True}]}},
        "binaries": {"xen": {"suite": "trixie"}},
    }
    assert SCHEMA.is_valid(variant)
    without_name = copy.deepcopy(variant)
    del without_name["name"]
    assert not SCHEMA.is_valid(without_name)
