"""Only what is signed and listed is used; of the machine's apt, settings but no hooks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EXIT_INFRA, SourceError
from harness.sources import Sources, aptconf
from tests.unit.sources.repositories import (
    DEMO,
    Gpg,
    Make,
    Repository,
)


def test_an_unsigned_repository_is_refused(demo: Repository, sources: Make, cache: Path) -> None:
    demo.configure()
    with pytest.raises(SourceError, match="is not signed") as caught:
        sources().debian("demo", DEMO)
    assert caught.value.exit_code == EXIT_INFRA
    assert "debian-archive-keyring" in str(caught.value.hint)
    assert demo.mirror.as_uri() in str(caught.value.where)
    assert not (cache / "packages").exists()


def test_a_machine_that_allows_unsigned_repositories_does_not_allow_them_here(
    demo: Repository, sources: Make
) -> None:
    demo.configure()
    allow = 'Acquire::AllowInsecureRepositories "true";\n'
    (demo.etc / "apt.conf.d" / "lax").write_text(allow)
    with pytest.raises(SourceError, match="is not signed"):
        sources().debian("demo", DEMO)


def test_a_signature_must_be_of_the_configured_key(
    demo: Repository, sources: Make, gpg: Gpg, tmp_path: Path
) -> None:
    right = gpg.key("right@example.org", tmp_path / "right.gpg")
    gpg.key("wrong@example.org", tmp_path / "wrong.gpg")
    demo.configure(f"Signed-By: {right}")
    release = demo.publish()
    gpg.sign("wrong@example.org", release)
    with pytest.raises(SourceError, match=r"NO_PUBKEY|not signed"):
        sources().debian("demo", DEMO)
    gpg.sign("right@example.org", release)
    assert sources().debian("demo", DEMO).path.read_text() == "one"


def test_lists_that_were_changed_after_signing_are_refused(
    demo: Repository, sources: Make, gpg: Gpg, tmp_path: Path
) -> None:
    demo.configure(f"Signed-By: {gpg.key('right@example.org', tmp_path / 'right.gpg')}")
    gpg.sign("right@example.org", demo.publish())
    demo.add("demo", "6.6.6", {"usr/share/demo": "evil"})
    demo.publish()  # the signed InRelease stays the old one
    with pytest.raises(SourceError, match=r"unexpected size|Hash Sum mismatch"):
        sources().debian("demo", DEMO)


def test_a_package_that_is_not_the_listed_one_is_refused(
    demo: Repository, sources: Make, cache: Path
) -> None:
    [deb] = (demo.mirror / "pool").rglob("*.deb")
    content = bytearray(deb.read_bytes())
    content[-1] ^= 1
    deb.write_bytes(content)
    with pytest.raises(SourceError, match=r"demo 1\.0 could not be fetched"):
        sources().debian("demo", DEMO)
    assert not (cache / "packages").exists()


def test_settings_are_kept_and_hooks_are_not_run(
    demo: Repository, sources: Make, tmp_path: Path
) -> None:
    hook = tmp_path / "hook-was-run"
    (demo.etc / "apt.conf.d" / "50hooks").write_text(
        f'APT::Update::Post-Invoke {{ "touch {hook}"; }};\n'
        f'APT::Update::Post-Invoke-Success {{ "touch {hook}"; }};\n'
        'APT::Default-Release "sid";\nDir::Cache::pkgcache "";\n'
        'Acquire::http::Proxy "http://127.0.0.1:9/";\nAcquire::Retries "0";\n'
    )
    assert sources().debian("demo", DEMO).version == "1.0"
    assert not hook.exists()
    demo.configure("Trusted: yes", uri="http://mirror.invalid/debian")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:  # the proxy was asked
        sources(refresh=True).debian("demo", DEMO)
    assert "http://mirror.invalid/debian" in str(caught.value)
    # A refresh that fails costs nothing that we had.
    assert sources(offline=True).debian("demo", replace(DEMO, version="1.0")).version == "1.0"


def test_updates_count_and_missing_ones_do_not(
    demo: Repository, sources: Make, said: list[str]
) -> None:
    demo.add("demo", "1.0.1", {"usr/share/demo": "updated"}, suite="bookworm-updates")
    demo.publish("bookworm-updates")
    assert sources().debian("demo", DEMO).version == "1.0.1"
    shutil.rmtree(demo.mirror / "dists" / "bookworm-updates")
    assert sources(refresh=True).debian("demo", DEMO).version == "1.0"
    assert any("going on without" in text and "bookworm-updates" in text for text in said)


def test_no_key_at_all(
    demo: Repository, sources: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.configure()
    monkeypatch.setattr(aptconf, "KEYRING", tmp_path / "missing.gpg")
    with pytest.raises(SourceError, match="there is no key"):
        sources().debian("demo", DEMO)


def test_the_apt_configuration_can_be_named(
    demo: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_APT_ETC", str(demo.etc))
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    assert Sources().debian("demo", DEMO).path.is_relative_to(cache)
