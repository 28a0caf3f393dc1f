from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.sources.cache import Cache, default_folder, write_atomic


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    assert default_folder() == tmp_path / "xdg" / "harness"
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"


def test_a_write_that_fails_leaves_the_old_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_atomic(tmp_path / "index", "old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_keeps_others_out_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    order: list[str] = []
    started = threading.Event()

    def other() -> None:
        started.set()
        with cache.lock("key", what="the thing"):
            order.append("other")

    with cache.lock("key"):
        thread = threading.Thread(target=other)
        thread.start()
        started.wait()
        while not said:
            thread.join(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
    assert said == ["waiting for another run that works on the thing"]


def test_shared_locks_do_not_wait_for_each_other(tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda _: None)
    with cache.lock("key", shared=True), cache.lock("key", shared=True):
        fd = os.open(tmp_path / "locks" / "key.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)


def test_folders_of_dead_processes_are_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from harness.sources.cache import Cache\n"
        "with Cache(Path(sys.argv[1]), print).scratch() as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert done.returncode == -9
    [left] = (tmp_path / "tmp").iterdir()
    cache = Cache(tmp_path, lambda _: None)
    with cache.scratch() as mine:
        (mine / "file").touch()
        assert not left.exists()
        with cache.scratch() as second:  # a sweep spares the folders of the living
            assert (mine / "file").exists()
            assert second != mine
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_index_survives_many_writers_and_damage(tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda _: None)
    names = [f"package-{number}" for number in range(20)]
    threads = [
        threading.Thread(target=cache.remember, args=(name, "bookworm-amd64", {"package": name}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.resolved(name, "bookworm-amd64")["package"] for name in names] == names
    (tmp_path / "resolved" / "bookworm-amd64.json").write_text("[1, 2")
    assert cache.resolved(names[0], "bookworm-amd64") == {}


def test_prune_removes_what_nothing_resolves_to(tmp_path: Path) -> None:
    cache = Cache(tmp_path, lambda _: None)
    for name in ("used", "unused"):
        cache.package_folder(name).mkdir(parents=True)
        (cache.package_folder(name) / "package.deb").write_bytes(b"12345")
    cache.remember("request", "bookworm-amd64", {"deb_sha256": "used"})
    before = cache.size()
    assert cache.prune() == 5
    assert cache.package_folder("used").is_dir()
    assert not cache.package_folder("unused").exists()
    assert cache.size() == before - 5
