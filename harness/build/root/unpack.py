"""Unpacks Debian packages into one tree, as a machine with a merged /usr has them.

No maintainer script runs. A package that still has files in /bin, /sbin or /lib gets them into
/usr, where the links at the top lead (https://wiki.debian.org/UsrMerge). Owners are root's where
we may say so; set-user-ID bits go, since nobody here is anybody else than root. Times are fixed.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from harness import tools
from harness.errors import SourceError
from harness.sources import Deb

NOW = 946684800
"""The time of every file: 2000-01-01, in seconds since 1970."""

_WORDS = re.compile(r"\[!?[A-Za-z0-9_.]+\]|.", re.DOTALL)

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def merged(path: str) -> str:
    """Where a path of a package is in a merged tree.

    Args:
        path: without leading slash: "bin/mount" is "usr/bin/mount".
    """
    return f"usr/{path}" if path.split("/", 1)[0] in MERGED else path


def merged_target(path: str, target: str) -> str:
    """The target of a link at `path`, after `path` and what it leads to have moved.

    Args:
        path: as the package has it; target: as it stands in the link.
    """
    if target.startswith("/"):
        return target  # /bin/x is found through the link /bin
    moved = merged(path)
    lands = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if moved == path or lands.startswith(".."):
        return target
    return posixpath.relpath(merged(lands), posixpath.dirname(moved))


def globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """A test whether a path matches one of the patterns.

    "*", "?" and "[abc]" stay inside one folder; "/**" at the end stands for all that is below.
    """
    rules = "|".join(_regex(pattern) for pattern in patterns)
    matcher = re.compile(rules) if rules else None
    return lambda path: matcher is not None and matcher.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    # fnmatch.translate() would let a star cross slashes.
    rows = []
    for part in _WORDS.findall(pattern.removesuffix("/**")):
        if part in ("*", "?"):
            rows.append("[^/]" + part.strip("?"))
        elif part.startswith("[") and len(part) > 1:
            rows.append(part.replace("[!", "[^"))
        else:
            rows.append(re.escape(part))
    return "".join(rows) + ("(/.*)?" if pattern.endswith("/**") else "")


def unpack(
    debs: Iterable[Deb], tree: Path, work: Path, dropped: Callable[[str], bool]
) -> dict[str, str]:
    """Unpack packages into `tree`.

    Args:
        tree: is made, and must not be there yet.
        work: an empty folder in the same file system.
        dropped: whether a path of the tree is left out.

    Returns:
        path -> the package that it came from.

    Raises:
        SourceError: two packages have the same file, or one would leave the tree.
        ToolMissing, ToolFailed: dpkg-deb.
        OSError: the disk.
    """
    make_folder(tree)
    for name in ("bin", "sbin", "lib"):
        make_folder(tree / "usr" / name)
        (tree / name).symlink_to(f"usr/{name}")
    origins: dict[str, str] = {}
    for deb in debs:
        tools.run(["dpkg-deb", "--extract", deb.path, work / deb.package])
        _move(work / deb.package, tree, deb.package, dropped, origins)
        shutil.rmtree(work / deb.package)
    for name in MERGED:
        if (tree / "usr" / name).is_dir() and not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")
    return origins


def _move(
    source: Path,
    tree: Path,
    package: str,
    dropped: Callable[[str], bool],
    origins: dict[str, str],
) -> None:
    for folder, folders, files in os.walk(source):
        here = os.path.relpath(folder, source)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = name if here == "." else f"{here}/{name}"
            there = merged(path)
            if dropped(there):
                continue
            if there in origins:
                raise SourceError(f"{package} and {origins[there]} both have /{there}")
            origins[there] = package
            _place(Path(folder) / name, tree / there, path)
        for name in folders:
            there = merged(name if here == "." else f"{here}/{name}")
            if name not in links and not dropped(there) and there not in MERGED:
                made = tree / there
                if not made.is_dir():
                    mode = stat.S_IMODE((Path(folder) / name).stat().st_mode)
                    make_folder(made, mode & 0o1777)


def _place(source: Path, target: Path, path: str) -> None:
    make_folder(target.parent)
    if source.is_symlink():
        target.symlink_to(merged_target(path, str(source.readlink())))
        return
    if not source.is_file():
        raise SourceError(f"/{path} is neither a file nor a link: a root has no other")
    source.chmod(stat.S_IMODE(source.stat().st_mode) & 0o1777)
    source.replace(target)


def make_folder(path: Path, mode: int = 0o755) -> None:
    """A folder and those above it, with these permissions whatever the umask is."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent)
    path.mkdir()
    path.chmod(mode)


def write_file(path: Path, mode: int, data: bytes) -> None:
    """A file of ours in the place of whatever was there.

    Raises:
        SourceError: a folder is there.
    """
    make_folder(path.parent)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        raise SourceError(f"{path} is a folder, and was to be a file")
    path.write_bytes(data)
    path.chmod(mode)


def settle(tree: Path) -> None:
    """Give all of the tree to root, if we are, and the one time."""
    owner = (0, 0) if os.geteuid() == 0 else None
    for folder, folders, files in os.walk(tree, topdown=False):
        for name in (*folders, *files, "."):
            path = Path(folder) / name
            if owner:
                os.chown(path, *owner, follow_symlinks=False)
            os.utime(path, (NOW, NOW), follow_symlinks=False)
