"""The modules of dom0's kernel that a root has: those that are wanted, and what they need.

depmod(8), of the machine that we run on, says what needs what, and writes what modprobe(8) in the
root reads. Sources: modules.dep(5); Linux, Documentation/kbuild/kbuild.rst (modules.builtin).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import tools
from harness.build.root.spec import RootSpec, kernel_release
from harness.build.root.unpack import globs, make_folder
from harness.errors import InputError

# What `make modules_install` leaves beside the modules, and depmod reads.
_LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
_SUFFIX = re.compile(r"\.ko(\.(gz|xz|zst))?$")


def name_of(path: str) -> str:
    """The name of a module, as the kernel writes it: "xen_privcmd"."""
    return _SUFFIX.sub("", path.rpartition("/")[2]).replace("-", "_")


def parse_dep(text: str) -> dict[str, tuple[str, ...]]:
    """modules.dep: path of a module -> paths of all modules that it needs."""
    rows = (row.partition(":") for row in text.splitlines())
    return {path: tuple(needs.split()) for path, colon, needs in rows if colon}


def choose(
    needs: Mapping[str, Sequence[str]], builtin: Iterable[str], wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Which modules are taken.

    Args:
        needs: as `parse_dep` gives it; paths begin with "kernel/".
        builtin: the paths of modules.builtin.
        wanted: names, or globs of paths below kernel/.

    Returns:
        The paths, sorted; and the names in `wanted` that this kernel has neither as a module
        nor built in.
    """
    named = {name_of(path): path for path in needs}
    inside = {name_of(path) for path in builtin}
    chosen: set[str] = set()
    absent = []
    for want in wanted:
        if "/" in want:
            matches = globs([f"kernel/{want}", *(f"kernel/{want}{end}" for end in _ENDS)])
            chosen.update(path for path in needs if matches(path))
        elif (name := name_of(want)) in named:
            chosen.add(named[name])
        elif name not in inside:
            absent.append(want)
    return sorted(chosen.union(*(needs[path] for path in chosen))), absent


_ENDS = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def install(
    spec: RootSpec, wanted: Sequence[str], tree: Path, work: Path
) -> tuple[str, list[str]] | None:
    """Put the modules of `spec` into a tree.

    Args:
        work: an empty folder.

    Returns:
        The kernel's release, and the wanted modules that it does not have; None: no modules.

    Raises:
        InputError: `spec.modules` does not hold the modules of one kernel.
        ToolMissing, ToolFailed: dpkg-deb, depmod.
    """
    if spec.modules is None:
        return None
    with _unpacked(spec.modules, work) as folder:
        release = kernel_release(folder, spec.release, spec.modules)
        base = folder / "lib" / "modules"
        source = (base if base.is_dir() else folder / "usr" / "lib" / "modules") / release
        needs = _depmod(source, release, work / "all")
        builtin = source / "modules.builtin"
        names = builtin.read_text(encoding="utf-8").split() if builtin.is_file() else []
        paths, absent = choose(needs, names, wanted)
        target = tree / "usr" / "lib" / "modules" / release
        for path in (*paths, *_LISTS):
            if (source / path).is_file():
                make_folder((target / path).parent)
                shutil.copyfile(source / path, target / path)
                (target / path).chmod(0o644)
    if paths:
        _run_depmod(tree, release, work)
        for made in target.glob("modules.*"):
            made.chmod(0o644)  # whatever the umask is
    return release, absent


@contextmanager
def _unpacked(source: Path, work: Path) -> Iterator[Path]:
    if source.is_dir():
        yield source
        return
    folder = work / "kernel"
    tools.run(["dpkg-deb", "--extract", source, folder])
    yield folder
    shutil.rmtree(folder)


def _depmod(source: Path, release: str, work: Path) -> dict[str, tuple[str, ...]]:
    """modules.dep of a folder that is not written to."""
    place = work / "lib" / "modules" / release
    place.mkdir(parents=True)
    for path in source.iterdir():
        # Links of "build" and "source" lead to where the kernel was built.
        if path.name not in ("build", "source") and not path.name.startswith("modules."):
            (place / path.name).symlink_to(path.resolve())
    for name in _LISTS:
        if (source / name).is_file():
            shutil.copyfile(source / name, place / name)
    _run_depmod(work, release, work)
    found = parse_dep((place / "modules.dep").read_text(encoding="utf-8"))
    shutil.rmtree(work)
    if not found:
        raise InputError(
            f"there are no modules in {source}", expected="kernel/.../*.ko", where=str(source)
        )
    return found


def _run_depmod(base: Path, release: str, work: Path) -> None:
    # The host's /etc/depmod.d is about the host.
    nothing = work / "no-configuration"
    nothing.mkdir(exist_ok=True)
    tools.run(["depmod", "-b", base, "-C", nothing, release])
