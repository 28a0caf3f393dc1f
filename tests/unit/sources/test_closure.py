from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.errors import SourceError, UsageError
from harness.sources import Binary, Deb
from tests.unit.sources.repositories import DEMO, Make, Repository


@pytest.fixture
def tools(repository: Repository) -> Repository:
    """xl, which depends on a library, which depends on libc; and what xl recommends."""
    repository.add("xl", "4.17-1", {"usr/bin/xl": "xl"}, depends="libxl\nRecommends: manuals")
    repository.add("libxl", "4.17-1", {"usr/lib/libxl.so": "so"}, depends="libc (>= 2), perl")
    repository.add("libc", "2.36", {"usr/lib/libc.so": "so"})
    repository.add("perl", "5.36", {"usr/bin/perl": "perl"})
    repository.add("manuals", "1", {"usr/share/man/xl": "xl"})
    repository.publish()
    return repository


def closure(make: Make, *packages: str, offline: bool = False, **more: object) -> tuple[Deb, ...]:
    found = make(offline=offline, refresh=bool(more.pop("refresh", False)))
    without, optional = more.pop("without", ()), more.pop("optional", ())
    assert isinstance(without, tuple)
    assert isinstance(optional, tuple)
    asked = packages or ("xl",)
    return found.closure(asked, "bookworm", "amd64", without=without, optional=optional)


def names(debs: tuple[Deb, ...]) -> list[str]:
    return [deb.package for deb in debs]


def test_all_that_it_depends_on_and_nothing_recommended(tools: Repository, sources: Make) -> None:
    debs = closure(sources)
    assert names(debs) == ["libc", "libxl", "perl", "xl"]
    assert [deb.version for deb in debs] == ["2.36", "4.17-1", "5.36", "4.17-1"]
    for deb in debs:
        name = f"{deb.package}_{deb.version}_amd64.deb"
        assert deb.path.read_bytes() == (tools.mirror / "pool/bookworm" / name).read_bytes()


def test_one_run_of_apt_fetches_them_all(tools: Repository, sources: Make, said: list[str]) -> None:
    closure(sources)
    assert [text for text in said if text.startswith("fetching 4 packages")]


def test_what_is_left_out_is_not_fetched(tools: Repository, sources: Make, cache: Path) -> None:
    assert names(closure(sources, without=("per*", "none"))) == ["libc", "libxl", "xl"]
    assert len(list((cache / "packages").iterdir())) == 3


def test_optional_packages_are_taken_where_there_are_some(tools: Repository, sources: Make) -> None:
    debs = closure(sources, "libc", optional=("manuals", "nobody-has-this"))
    assert names(debs) == ["libc", "manuals"]


def test_offline_from_the_cache(tools: Repository, sources: Make, cache: Path) -> None:
    first = closure(sources)
    shutil.rmtree(tools.mirror)
    shutil.rmtree(cache / "apt")
    assert closure(sources, offline=True) == first


def test_offline_without_lists(tools: Repository, sources: Make) -> None:
    with pytest.raises(SourceError, match="package lists of bookworm") as caught:
        closure(sources, offline=True)
    assert caught.value.hint == "run once without --offline"


def test_offline_names_what_is_missing(tools: Repository, sources: Make) -> None:
    [libc] = [deb for deb in closure(sources) if deb.package == "libc"]
    libc.path.unlink()
    with pytest.raises(SourceError, match=r"1 packages are not in the cache: libc 2\.36"):
        closure(sources, offline=True)


def test_a_damaged_package_is_fetched_again(
    tools: Repository, sources: Make, said: list[str]
) -> None:
    first = closure(sources)
    [libc] = [deb for deb in first if deb.package == "libc"]
    good = libc.path.read_bytes()
    libc.path.write_bytes(good[:-1] + b"?")
    assert closure(sources) == first
    assert libc.path.read_bytes() == good
    assert any("is damaged" in text and "libc" in text for text in said)


def test_the_newest_stays_until_a_refresh(tools: Repository, sources: Make) -> None:
    closure(sources)
    tools.add("libc", "2.37", {"usr/lib/libc.so": "newer"})
    tools.publish()
    assert closure(sources)[0].version == "2.36"
    assert closure(sources, refresh=True)[0].version == "2.37"
    assert closure(sources)[0].version == "2.37"


def test_lists_older_than_the_mirror_are_fetched_anew(tools: Repository, sources: Make) -> None:
    closure(sources, "perl")
    (tools.mirror / "pool/bookworm/libc_2.36_amd64.deb").unlink()
    tools.add("libc", "2.37", {"usr/lib/libc.so": "newer"})
    tools.publish()
    assert closure(sources)[0].version == "2.37"


def test_an_unknown_package(tools: Repository, sources: Make) -> None:
    with pytest.raises(UsageError, match="Unable to locate package xm") as caught:
        closure(sources, "xm", "xl")
    assert caught.value.where == "bookworm (amd64)"


def test_a_dependency_that_cannot_be_met(tools: Repository, sources: Make) -> None:
    tools.add("broken", "1", {"usr/bin/broken": "b"}, depends="nothing-has-this")
    tools.publish()
    with pytest.raises(UsageError, match="broken cannot be had with all dependencies"):
        closure(sources, "broken")


def test_a_file_of_the_mirror_that_is_not_in_the_signed_lists(
    tools: Repository, sources: Make
) -> None:
    deb = tools.mirror / "pool/bookworm/libc_2.36_amd64.deb"
    deb.write_bytes(deb.read_bytes()[:-1] + b"?")
    with pytest.raises(SourceError, match="libc"):
        closure(sources)


def test_pruning_keeps_them(tools: Repository, sources: Make, cache: Path) -> None:
    debs = closure(sources, "libxl")
    (cache / "packages" / ("0" * 64)).mkdir()
    sources().cache.prune()
    assert {folder.name for folder in (cache / "packages").iterdir()} == {
        deb.sha256 for deb in debs
    }


def test_the_package_of_a_file(demo: Repository, sources: Make) -> None:
    made = sources()
    deb = made.package_of(made.debian("demo", DEMO))
    assert deb is not None
    assert re.fullmatch("[0-9a-f]{64}", deb.sha256)
    assert (deb.package, deb.path.is_file()) == ("demo", True)
    deb.path.unlink()
    again = made.package_of(made.debian("demo", DEMO))
    assert again is not None
    assert again.path.is_file()


def test_a_file_of_the_user_has_no_package(sources: Make, tmp_path: Path) -> None:
    mine = Binary("xen", tmp_path / "xen", "unknown", "0" * 64, "file")
    assert sources().package_of(mine) is None
