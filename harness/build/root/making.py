"""Makes a root, or gives the one that the cache has.

    roots/KEY/root/           the tree; never written to after it was made
    roots/KEY/manifest.json   what is in it
    roots/KEY/initramfs.gz    of initramfs.py, with initramfs.json

KEY is a hash of all that goes into it. The folder is made elsewhere and renamed into place, so
that one that was unpacked half has no name; one that is no longer what its manifest says is made
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.build.root.configure import applets, configure
from harness.build.root.description import Description, filled, load_description
from harness.build.root.modules import install
from harness.build.root.spec import RootSpec, check
from harness.build.root.unpack import globs, settle, unpack
from harness.errors import InfraError, InputError, SourceError
from harness.sources import Deb
from harness.sources.binary import sha256_of
from harness.sources.cache import Cache, read_json

# Changes when the same inputs make another root.
_FORMAT = 2


@dataclass(frozen=True)
class Root:
    """A root, unpacked and whole.

    Args:
        folder: its tree; only to be read. Its files belong to root where we are root.
        sha256: of all paths, permissions and contents; the same inputs give the same.
        files: how many paths it has.
        arch, xen: as in its `RootSpec`.
        release: of the kernel whose modules it has; None: it has none.
        ours: the paths that every form of the root has, whatever packages it is made of.
    """

    folder: Path
    sha256: str
    files: int
    arch: str
    xen: str
    release: str | None
    ours: tuple[str, ...]


def make_root(
    spec: RootSpec,
    debs: Sequence[Deb],
    cache_folder: Path,
    progress: Callable[[str], None],
) -> Root:
    """The root of `spec`, made of these packages.

    Args:
        debs: `debs_of(spec, sources)`.
        cache_folder: where roots are kept, below "roots".
        progress: gets one line before each step that can take long.

    Raises:
        ProfileError: `spec` or the description is not valid.
        InputError: the modules or the guest kernel of `spec` cannot be read.
        SourceError: the packages do not fit together.
        ToolMissing, ToolFailed: dpkg-deb, depmod.
        InfraError: the disk.
    """
    check(spec)
    description, described = load_description()
    cache = Cache(cache_folder.absolute(), progress)
    try:
        key = _key(spec, debs, described)
        folder = cache.folder / "roots" / key
        with cache.lock(f"root-{key}", what="the root of dom0"):
            fault = _fault(folder)
            if fault:
                if folder.exists():
                    progress(f"{folder / 'root'}: {fault}: making it again")
                _make(spec, debs, description, cache, folder, progress)
        return _root(folder)
    except OSError as bad:
        raise InfraError.of(bad, "the root of dom0 cannot be made:") from bad


def _key(spec: RootSpec, debs: Sequence[Deb], described: str) -> str:
    plain: dict[str, Any] = asdict(spec) | {
        "extra": [
            (path, mode, hashlib.sha256(data).hexdigest()) for path, mode, data in spec.extra
        ],
        "modules": _of_file(spec.modules, "root.modules"),
        "guest_kernel": _of_file(spec.guest_kernel, "root.guest_kernel"),
    }
    inputs = {
        "format": _FORMAT,
        "description": described,
        "debs": sorted((deb.package, deb.sha256) for deb in debs),
        "owner": "root" if os.geteuid() == 0 else "ours",
        **plain,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _of_file(path: Path | None, where: str) -> str | None:
    """A hash of a file, or of the names, sizes and times in a folder."""
    if path is None:
        return None
    try:
        if not path.is_dir():
            return sha256_of(path)
        rows = []
        for file in sorted(path.rglob("*")):
            state = file.lstat()
            rows.append(f"{file.relative_to(path)} {state.st_size} {state.st_mtime_ns}")
        return hashlib.sha256("\n".join(rows).encode(errors="surrogateescape")).hexdigest()
    except OSError as bad:
        raise InputError(f"cannot be read: {bad.strerror}", where=f"{where}: {path}") from None


def _make(
    spec: RootSpec,
    debs: Sequence[Deb],
    description: Description,
    cache: Cache,
    folder: Path,
    progress: Callable[[str], None],
) -> None:
    progress(f"making the root of dom0 from {len(debs)} packages ({spec.suite}, {spec.arch})")
    dropped = globs(filled(description.drop, spec.arch, spec.xen))
    with cache.scratch() as scratch:
        for name in ("new", "debs", "modules"):
            (scratch / name).mkdir()
        tree = scratch / "new" / "root"
        unpack(debs, tree, scratch / "debs", dropped)
        _check_tools(spec, tree)
        if spec.modules is not None:
            progress("choosing the modules of dom0's kernel")
        got = install(spec, description.modules.of(spec.arch), tree, scratch / "modules")
        if got and got[1]:
            progress(f"kernel {got[0]} has no {', '.join(got[1])}")
        ours = configure(spec, description, tree, got[0] if got else None)
        present = {path for path, _ in _walk(tree)}
        for path, target in applets(description.applets, present).items():
            (tree / path).symlink_to(target)
        settle(tree)
        members = {path: _member(tree / path, state) for path, state in _walk(tree)}
        manifest = {
            "format": _FORMAT,
            "sha256": _sha256(tree, members),
            "members": members,
            "arch": spec.arch,
            "xen": spec.xen,
            "release": got[0] if got else None,
            "ours": sorted(ours),
        }
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        (scratch / "new" / "manifest.json").write_text(text, encoding="utf-8")
        (scratch / "new").chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (scratch / "new").rename(folder)


def _check_tools(spec: RootSpec, tree: Path) -> None:
    if not (tree / f"usr/lib/xen-{spec.xen}/bin/xl").is_file():
        raise SourceError(
            f"the packages have no xl of Xen {spec.xen}",
            where=f"usr/lib/xen-{spec.xen}/bin/xl",
            expected=f"xen-utils-{spec.xen} of {spec.suite} among them",
        )


def _walk(tree: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below a tree, sorted inside each folder, with its lstat."""
    for folder, folders, files in os.walk(tree):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
            yield os.path.relpath(path, tree), os.lstat(path)


def _member(path: Path, state: os.stat_result) -> list[Any]:
    """The type, permissions, and size or target of a path."""
    mode = stat.S_IMODE(state.st_mode)
    if stat.S_ISLNK(state.st_mode):
        return ["link", 0o777, str(path.readlink())]
    if stat.S_ISDIR(state.st_mode):
        return ["folder", mode, 0]
    return ["file", mode, state.st_size]


def _sha256(tree: Path, members: dict[str, list[Any]]) -> str:
    total = hashlib.sha256()
    for path, (kind, mode, what) in sorted(members.items()):
        content = sha256_of(tree / path) if kind == "file" else what
        total.update(f"{path}\0{kind}\0{mode:o}\0{content}\0".encode(errors="surrogateescape"))
    return total.hexdigest()


def _fault(folder: Path) -> str:
    """What is wrong with a root that was made before; "" if nothing is."""
    manifest = read_json(folder / "manifest.json")
    members = manifest.get("members")
    if manifest.get("format") != _FORMAT or not isinstance(members, dict):
        return "its manifest is missing or damaged"
    tree = folder / "root"
    found = {path: _member(tree / path, state) for path, state in _walk(tree)}
    if found == members:
        return ""
    for path in sorted(members):
        if path not in found:
            return f"/{path} is missing"
        if found[path] != members[path]:
            return f"/{path} is not what it was"
    extra = min(found.keys() - members.keys())
    return f"/{extra} was added"


def _root(folder: Path) -> Root:
    manifest = read_json(folder / "manifest.json")
    return Root(
        folder / "root",
        manifest["sha256"],
        len(manifest["members"]),
        manifest["arch"],
        manifest["xen"],
        manifest["release"],
        tuple(manifest["ours"]),
    )
