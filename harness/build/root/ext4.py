"""A root on a disk: an ext4 file system, made without root and without a loop device."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness import tools
from harness.build.root.making import Root
from harness.build.root.unpack import NOW
from harness.errors import InputError

_MIB = 1 << 20
# Fixed, so that the same root makes the same file system.
_UUID = "6b657268-6172-6e65-7373-000000000003"
# All that is asked for, so that a host's /etc/mke2fs.conf has no say.
_FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,"
    "large_file,huge_file,dir_nlink,extra_isize"
)


def size_of(root: Root) -> int:
    """MiB of a file system that holds the root, with a third of room for what is added."""
    used = sum(4096 + -(-path.lstat().st_size // 4096) * 4096 for path in root.folder.rglob("*"))
    return used * 4 // 3 // _MIB + 16


def ext4_of(root: Root, image: Path, size_mib: int | None = None) -> None:
    """Write `root` as an ext4 file system; the same root and size give the same bytes.

    Args:
        image: is made, and must not be there yet; it is sparse.
        size_mib: of the file system; None: `size_of(root)`.

    Raises:
        InputError: it is too small.
        ToolMissing, ToolFailed: e2fsprogs.
        OSError: the image cannot be written.
    """
    need = size_of(root)
    size = need if size_mib is None else size_mib
    if size < need * 3 // 4:
        raise InputError(
            f"{size} MiB cannot hold the root of dom0",
            where=str(image),
            expected=f"{need} MiB or more",
        )
    with image.open("xb") as out:
        out.truncate(size * _MIB)
    try:
        with tempfile.TemporaryDirectory(prefix=".ext4-", dir=image.parent) as work:
            _make(root, image, Path(work))
    except BaseException:
        image.unlink(missing_ok=True)
        raise


def _make(root: Root, image: Path, work: Path) -> None:
    # Another name of the image: e2fsprogs gives "?" a meaning.
    (work / "image").symlink_to(image.resolve())
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": str(NOW)}
    tools.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-O", _FEATURES, "-b", "4096", "-I", "256"),
            *("-i", "16384", "-L", "dom0", "-U", _UUID, "-m", "0", "-J", "size=4"),
            *("-E", f"hash_seed={_UUID},root_owner=0:0,nodiscard", "-d", root.folder.resolve()),
            "image",
        ],
        cwd=work,
        env=env,
    )
    # mke2fs takes owner and times of a file from the one that it reads.
    rows = []
    for path in sorted(root.folder.rglob("*")):
        name = str(path.relative_to(root.folder))
        owner = 1000 if name.startswith("home/") else 0
        fields = [f"uid {owner}", f"gid {owner}"]
        fields += [f"{field} @{NOW}" for field in ("atime", "ctime", "mtime", "crtime")]
        rows += [f'set_inode_field "/{name}" {what}' for what in fields]
    (work / "commands").write_text("\n".join([*rows, ""]), encoding="utf-8")
    tools.run(["debugfs", "-w", "-f", "commands", "image"], cwd=work, env=env)
