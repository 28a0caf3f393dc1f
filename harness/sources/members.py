"""Which paths of a package are meant: globs, and the errors of globs that do not fit."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.errors import SourceError, UsageError
from harness.sources.package import Choose, Members
from harness.sources.request import DebianFile

_SHOWN = 12  # paths named in an error


def select(paths: Iterable[str], pattern: str) -> list[str]:
    """The paths that match, sorted.

    Args:
        paths: relative, "boot/vmlinuz-6.1.0-56-amd64".
        pattern: "*", "?" and "[...]" stay inside one folder; "**" stands for any number of
            folders, and at the end for everything below.
    """
    words = [word for word in pattern.split("/") if word not in ("", ".")]
    return sorted(path for path in paths if _matches(path.split("/"), words))


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        rest = pattern[1:]
        return any(_matches(path[skip:], rest) for skip in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


def one_file(request: DebianFile) -> Choose:
    """Chooses the one file that the request's glob means, and what it links to.

    The chosen paths end with the file itself. Raises UsageError unless one path matches.
    """

    def choose(members: Members) -> list[str]:
        paths = [path for path, member in members.items() if member is not None]
        found = select(paths, request.file)
        if len(found) != 1:
            near = found or _near(paths, request.file)
            raise UsageError(
                f"{len(found) or 'no'} files of {request.package} match {request.file}",
                expected="exactly one",
                hint=f"{'they are' if found else 'the package has'}: {_some(near)}",
            )
        return _link_chain(found[0], members)

    return choose


def _near(paths: list[str], pattern: str) -> list[str]:
    """The paths in the folder where the pattern points, else all of them."""
    folder = posixpath.dirname(pattern.strip("/"))
    return select(paths, f"{folder}/*") or sorted(paths)


def _link_chain(path: str, members: Members) -> list[str]:
    chain = [path]
    while isinstance(target := members.get(chain[-1]), str):
        step = target if target.startswith("/") else f"/{posixpath.dirname(chain[-1])}/{target}"
        landing = posixpath.normpath(step).lstrip("/")
        if landing in chain or not isinstance(members.get(landing), int | str):
            raise SourceError(f"{path} is a link to {target}, which is not in the package")
        chain.append(landing)
    return chain


def all_matching(patterns: Iterable[str]) -> Choose:
    """Chooses every path that one of the globs matches; a glob without a match is an error."""
    globs = list(patterns)

    def choose(members: Members) -> list[str]:
        chosen: dict[str, None] = {}
        for pattern in globs:
            found = select(members, pattern)
            if not found:
                raise UsageError(
                    f"no file of the package matches {pattern}",
                    hint=f"the package has: {_some(_near(list(members), pattern))}",
                )
            chosen.update(dict.fromkeys(found))
        return list(chosen)

    return choose


def _some(words: list[str]) -> str:
    more = f", and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more if words else "nothing"
