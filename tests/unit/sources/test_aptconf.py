from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SourceError
from harness.sources import aptconf
from harness.sources.aptconf import Entry, SystemApt, choose_entries, parse_deb822, parse_one_line

needs_apt = pytest.mark.skipif(shutil.which("apt-config") is None, reason="no apt-config")

DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Architectures: i386

Types: deb
URIs: http://mirror.example/debian-security
# Suites: nothing
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/k/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://mirror.example/debian-security bookworm-security main contrib # comment
nonsense
"""


def debian(suites: str = "bookworm", **options: str) -> Entry:
    return Entry(("http://m.example/debian",), tuple(suites.split()), ("main",), options)


def test_deb822_entries_that_are_enabled() -> None:
    archive, security = parse_deb822(DEB822, "x.sources")
    assert archive.uris == ("http://mirror.example/debian",)
    assert archive.suites == ("bookworm", "bookworm-updates")
    assert archive.components == ("main", "contrib")
    assert archive.options == {"signed-by": "/usr/share/keyrings/debian-archive-keyring.gpg"}
    assert archive.where == "x.sources"
    assert security.suites == ("bookworm-security",)


def test_one_line_entries() -> None:
    archive, security = parse_one_line(ONE_LINE)
    assert archive.suites == ("bookworm",)
    assert archive.options == {"signed-by": "/k/debian-archive-keyring.gpg"}
    assert security.components == ("main", "contrib")


def test_a_key_inside_a_field_survives() -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    text = (
        f"Types: deb\nURIs: http://m.example/debian\nSuites: a\nComponents: main\nSigned-By:{key}\n"
    )
    [entry] = parse_deb822(text)
    assert entry.options["signed-by"] == key
    [again] = parse_deb822(entry.text("amd64"))
    assert again.options == entry.options


@given(st.text())
def test_any_text_parses(text: str) -> None:
    for entry in (*parse_deb822(text), *parse_one_line(text)):
        assert entry.uris
        assert entry.suites


def test_an_entry_for_us_asks_for_package_lists_alone() -> None:
    rows = debian().text("arm64").splitlines()
    assert {"Architectures: arm64", "Targets: Packages", "Languages: none"} <= set(rows)


def test_a_configured_suite_with_its_pockets() -> None:
    entries = list(parse_deb822(DEB822))
    chosen = choose_entries(entries, "bookworm")
    assert [(entry.suites, entry.uris[0].rpartition("/")[2]) for entry in chosen] == [
        (("bookworm",), "debian"),
        (("bookworm-updates",), "debian"),
        (("bookworm-security",), "debian-security"),
    ]


def test_a_suite_that_the_configuration_lacks_is_asked_of_the_same_mirrors() -> None:
    chosen = choose_entries(list(parse_deb822(DEB822)), "trixie")
    assert [(entry.suites[0], entry.uris[0]) for entry in chosen] == [
        ("trixie", "http://mirror.example/debian"),
        ("trixie-updates", "http://mirror.example/debian"),
        ("trixie-security", "http://mirror.example/debian-security"),
    ]


def test_backports_have_no_pockets_of_their_own() -> None:
    chosen = choose_entries(list(parse_deb822(DEB822)), "bookworm-backports")
    assert [entry.suites for entry in chosen] == [("bookworm-backports",)]


def test_no_security_entry_no_security_suite() -> None:
    chosen = choose_entries([debian()], "bookworm")
    assert [entry.suites[0] for entry in chosen] == ["bookworm", "bookworm-updates"]


@pytest.mark.parametrize(
    "stranger",
    [
        Entry(
            ("https://vpn.example/stable/debian",),
            ("bookworm",),
            ("main",),
            {"signed-by": "/usr/share/keyrings/vpn.gpg"},
        ),
        Entry(("https://node.example/node_20.x",), ("nodistro",), ("main",)),
        Entry(("https://docker.example/linux/debian",), ("bookworm",), ("stable",)),
    ],
)
def test_third_parties_are_not_the_archive(stranger: Entry) -> None:
    chosen = choose_entries([stranger, debian()], "bookworm")
    assert {entry.uris for entry in chosen} == {("http://m.example/debian",)}


def test_the_key_tells_the_archive_from_its_likeness() -> None:
    likeness = Entry(("https://vpn.example/stable/debian",), ("bookworm",), ("main",))
    archive = debian(**{"signed-by": "/usr/share/keyrings/debian-archive-keyring.gpg"})
    assert choose_entries([likeness, archive], "trixie")[0].uris == archive.uris


def test_the_neighbours_tell_the_archive_from_its_likeness() -> None:
    likeness = Entry(("https://vpn.example/stable/debian",), ("bookworm",), ("main",))
    chosen = choose_entries([likeness, debian("bookworm bookworm-updates")], "bookworm")
    assert {entry.uris for entry in chosen} == {("http://m.example/debian",)}


@pytest.mark.parametrize(
    "uri",
    [
        "http://proxy.example:3142/m.example/debian/",
        "mirror+file:///etc/apt/mirrors/debian.list",
        "https://corp.example/artifactory/debian-remote",
    ],
)
def test_mirrors_have_many_names(uri: str) -> None:
    assert choose_entries([Entry((uri,), ("stable",), ("main",))], "bookworm")


@needs_apt
def test_no_debian_archive_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://ubuntu.example/ubuntu noble main\n")
    with pytest.raises(SourceError, match="not configured with a Debian archive") as caught:
        SystemApt(tmp_path, tmp_path / "ours").entries_for("bookworm")
    assert "HARNESS_APT_ETC" in str(caught.value.hint)
    assert str(tmp_path / "sources.list") in str(caught.value.where)


@needs_apt
def test_an_archive_without_any_key_is_an_error_that_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aptconf, "KEYRING", tmp_path / "missing.gpg")
    (tmp_path / "sources.list").write_text("deb http://m.example/debian bookworm main\n")
    with pytest.raises(SourceError, match="no key") as caught:
        SystemApt(tmp_path, tmp_path / "ours").entries_for("bookworm")
    assert "apt-get install" in str(caught.value.hint)
    assert "debian-archive-keyring" in str(caught.value.hint)


@needs_apt
def test_the_keyring_of_debian_is_the_fall_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = tmp_path / "debian.gpg"
    keyring.write_bytes(b"a key")
    monkeypatch.setattr(aptconf, "KEYRING", keyring)
    (tmp_path / "sources.list").write_text("deb http://m.example/debian bookworm main\n")
    system = SystemApt(tmp_path, tmp_path / "ours")
    assert system.entries_for("bookworm")[0].options == {"signed-by": str(keyring)}
    # Keys that apt trusts anyway go first: the mirror may be signed anew by its owner.
    (tmp_path / "trusted.gpg.d").mkdir()
    (tmp_path / "trusted.gpg.d" / "ours.asc").write_text("a key")
    assert system.entries_for("bookworm")[0].options == {}
