"""Which files a program needs to start: its interpreter and its shared libraries.

Sources: the ELF specification, "Program Interpreter" and "Shared Object Dependencies"; ld.so(8)
for the order of the search.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from harness.build.root.unpack import merged
from harness.errors import SourceError

_MAGIC = b"\x7fELF"
_LINKS = 20  # on the way from a name to a file


@dataclass(frozen=True)
class Needs:
    """What the dynamic section and the program headers of an ELF file ask for.

    Args:
        interpreter: path of the dynamic linker; None: a library, or a static program.
        libraries: names, in their order.
        folders: where to look first, with $ORIGIN as it stands there.
    """

    interpreter: str | None = None
    libraries: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def needs_of(file: Path) -> Needs | None:
    """What an ELF file needs; None if it is none, or is none of programs and libraries.

    Raises:
        SourceError: its headers are damaged.
    """
    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return None
        interpreter, libraries, folders = None, list[str](), list[str]()
        try:
            elf = ELFFile(stream)
            for segment in elf.iter_segments():
                kind = segment.header.p_type
                if kind == "PT_INTERP":
                    assert isinstance(segment, InterpSegment)  # noqa: S101 -- what PT_INTERP gives
                    interpreter = segment.get_interp_name()
                elif kind == "PT_DYNAMIC":
                    assert isinstance(segment, DynamicSegment)  # noqa: S101
                    for tag in segment.iter_tags():
                        # pyelftools gives these tags an attribute with the text.
                        if tag.entry.d_tag == "DT_NEEDED":
                            libraries.append(str(vars(tag)["needed"]))
                        elif tag.entry.d_tag in ("DT_RUNPATH", "DT_RPATH"):
                            name = tag.entry.d_tag.removeprefix("DT_").lower()
                            folders += str(vars(tag)[name]).split(":")
        # pyelftools says what it met by whatever exception it comes to.
        except Exception as bad:  # noqa: BLE001
            raise SourceError(f"a damaged ELF file: {bad}", where=str(file)) from None
    return Needs(interpreter, tuple(libraries), tuple(folders))


def interpreter_of(head: bytes) -> str | None:
    """The program that "#!" at the begin of a script names; None if there is none."""
    if not head.startswith(b"#!"):
        return None
    words = head[2:].split(b"\n", 1)[0].decode(errors="replace").split()
    if len(words) > 1 and words[0].endswith("/env"):
        return None  # found in PATH
    return words[0] if words else None


def closure(tree: Path, paths: Iterable[str], triplet: str) -> set[str]:
    """The given paths of a root, and all that they need.

    Args:
        paths: of files, links or folders in `tree`, without leading slash.
        triplet: names the folder of libraries: "x86_64-linux-gnu".

    Raises:
        SourceError: something that is needed is not in the tree.
    """
    taken: dict[str, str] = {}  # path -> who needs it
    todo = [(path, "") for path in paths]
    while todo:
        path, who = todo.pop()
        if path in taken:
            continue
        taken[path] = who
        file = tree / path
        if file.is_symlink():
            target = landing(path, str(file.readlink()))
            if file.exists() or (tree / target).exists():
                todo.append((target, path))
            continue
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            script = interpreter_of(stream.read(256))
        if script is not None:
            todo.append((_present(tree, merged(script.lstrip("/")), path), path))
        found = needs_of(file)
        if found is None:
            continue
        if found.interpreter is not None:
            name = merged(found.interpreter.lstrip("/"))
            todo.append((_present(tree, name, path), path))
        origin = posixpath.dirname(path)
        folders = [
            posixpath.normpath(folder.replace("$ORIGIN", f"/{origin}")).lstrip("/")
            for folder in found.folders
        ]
        folders = [merged(folder) for folder in folders]
        folders += [f"usr/lib/{triplet}", "usr/lib"]
        todo += [(_library(tree, folders, name, path), path) for name in found.libraries]
    return set(taken)


def landing(path: str, target: str) -> str:
    """Where a link at `path` of a merged root leads, as a path without leading slash."""
    full = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
    return merged(full.lstrip("/"))


def _present(tree: Path, path: str, who: str) -> str:
    here = path
    for _ in range(_LINKS):
        file = tree / here
        if not file.is_symlink():
            break
        here = landing(here, str(file.readlink()))
    if not (tree / here).is_file():
        raise SourceError(f"/{who} needs /{path}, which the root does not have")
    return path


def _library(tree: Path, folders: Iterable[str], name: str, who: str) -> str:
    for folder in folders:
        file = tree / folder / name
        if file.is_file() or file.is_symlink():
            return f"{folder}/{name}"
    raise SourceError(f"/{who} needs {name}, which the root does not have")
