"""The small form of a root: an initramfs with what xl needs, busybox for all else.

Programs come with the libraries that they need; the kernel's modules and our files are all there.
It stays in memory, so a run cannot damage anything, and it needs no server.
"""

from __future__ import annotations

import hashlib
import json
import stat
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from harness.build.root.configure import applets
from harness.build.root.description import TRIPLETS, filled, load_description
from harness.build.root.elfclosure import closure
from harness.build.root.making import Root
from harness.build.root.unpack import NOW, globs
from harness.errors import InfraError
from harness.formats.cpio import Entry, build
from harness.sources.binary import sha256_of
from harness.sources.cache import Cache, read_json, write_atomic

# A root is read once for each boot: level 1 is as small as it must be, and 5 times as fast as 6.
_LEVEL = 1
_GZIP = 31  # zlib's wbits for a gzip file


def initramfs_of(root: Root, progress: Callable[[str], None] = lambda _: None) -> Path:
    """The small form of `root`, a compressed cpio archive beside it in the cache.

    It is made once; the same root gives the same archive. All that is in it belongs to root.

    Raises:
        SourceError: a program needs a library that the root does not have.
        InfraError: the disk.
    """
    folder = root.folder.parent
    target, note = folder / "initramfs.gz", folder / "initramfs.json"
    cache = Cache(folder.parent.parent, progress)
    try:
        with cache.lock(f"root-{folder.name}", what="the initramfs of dom0"):
            made = read_json(note).get("sha256")
            if made is not None and target.is_file() and sha256_of(target) == made:
                return target
            progress("making the initramfs of dom0")
            data = _compressed(build(entries(root)))
            with cache.scratch() as scratch:
                (scratch / "initramfs").write_bytes(data)
                (scratch / "initramfs").chmod(0o644)
                (scratch / "initramfs").replace(target)
            sums = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            write_atomic(note, json.dumps(sums) + "\n")
    except OSError as bad:
        raise InfraError.of(bad, "the initramfs of dom0 cannot be made:") from bad
    return target


def entries(root: Root) -> list[Entry]:
    """What the small form of `root` has, sorted by path."""
    description, _ = load_description()
    wanted = globs(filled(description.small.of(root.arch), root.arch, root.xen))
    tree = root.folder
    present = [str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))]
    modules = f"usr/lib/modules/{root.release}/"
    large = globs(filled(description.large, root.arch, root.xen))
    kept = [
        path
        for path in present
        if (wanted(path) or (root.release and path.startswith(modules))) and not large(path)
    ]
    top = [path for path in present if "/" not in path and (tree / path).is_symlink()]
    paths = closure(tree, {*kept, *root.ours, *top}, TRIPLETS[root.arch])
    for path in tuple(paths):
        paths.update(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")
    made = {path: _entry(tree / path, path) for path in paths}
    for path, target in applets(description.applets, paths).items():
        made[path] = Entry(path, 0o120777, target.encode(), mtime=NOW)
    # The kernel starts /init, and opens /dev/console for it before there is a devtmpfs.
    made["init"] = Entry("init", 0o120777, b"usr/sbin/init", mtime=NOW)
    made["dev/console"] = Entry("dev/console", 0o020600, rdev=(5, 1), mtime=NOW)
    made["dev/null"] = Entry("dev/null", 0o020666, rdev=(1, 3), mtime=NOW)
    return [made[path] for path in sorted(made)]


def _entry(file: Path, path: str) -> Entry:
    state = file.lstat()
    if stat.S_ISLNK(state.st_mode):
        return Entry(path, 0o120777, str(file.readlink()).encode(), mtime=NOW)
    mode = stat.S_IMODE(state.st_mode)
    owner = 1000 if path.startswith("home/") else 0
    if stat.S_ISDIR(state.st_mode):
        return Entry(path, 0o040000 | mode, uid=owner, gid=owner, mtime=NOW, nlink=2)
    return Entry(path, 0o100000 | mode, file.read_bytes(), uid=owner, gid=owner, mtime=NOW)


def _compressed(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()
