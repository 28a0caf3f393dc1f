"""Where profiles are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import data
from harness.board import available, load, search_path
from harness.errors import ProfileError
from tests.unit.board.profiles import CHILD, SHIPPED, edited


def titled(folder: Path, title: str, name: str = "plain") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = edited("title: A plain board", f"title: {title}").replace("name: plain", f"name: {name}")
    (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_first_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert search_path() == [data.folder("boards")]
    assert load("apu2").title == "PC Engines apu2"
    titled(tmp_path / "boards", "here", "apu2")
    assert search_path() == [Path("boards"), data.folder("boards")]
    assert load("apu2").title == "here"
    given_ = titled(tmp_path / "mine", "mine", "apu2")
    assert search_path([given_]) == [given_, Path("boards"), data.folder("boards")]
    assert load("apu2", [given_]).title == "mine"
    assert load("apu2").title == "here"
    assert load(str(data.folder("boards") / "apu2.yaml")).title == "PC Engines apu2"


def test_a_folder_that_is_named_twice_is_searched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards").mkdir()
    assert search_path([tmp_path / "boards", tmp_path / "nowhere"]) == [
        tmp_path / "boards",
        data.folder("boards"),
    ]


def test_a_variant_prefers_the_parent_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    titled(tmp_path / "boards", "elsewhere")
    folder = titled(tmp_path / "mine", "beside")
    (folder / "child.yaml").write_text(CHILD)
    assert load(str(folder / "child.yaml")).title == "beside"
    (folder / "plain.yaml").unlink()
    assert load(str(folder / "child.yaml")).title == "elsewhere"


def test_all_names_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = titled(tmp_path / "mine", "mine")
    (folder / "notes.txt").write_text("not a board")
    assert sorted(available([folder])) == sorted([*SHIPPED, "plain"])


def test_an_unknown_board_names_the_nearest_and_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProfileError) as caught:
        load("apu", [tmp_path])
    assert "did you mean 'apu2" in caught.value.message
    assert f"searched in: {tmp_path}" in str(caught.value)
    assert str(caught.value.hint).endswith(": harness boards")
    with pytest.raises(ProfileError, match="no board ''"):
        load("")
