"""Which version of which package answers a request, among those in the lists of a suite."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from harness.errors import UsageError
from harness.sources import debversion
from harness.sources.apt import AptRoot, Listed
from harness.sources.request import DebianFile

_SHOWN = 12  # versions named in an error


def pool(root: AptRoot, request: DebianFile) -> list[Listed]:
    """Every package version that can answer the request, whatever its version."""
    metas = root.versions([request.package])
    if request.follow is None:
        names = [request.package]
    else:
        metas.sort(key=lambda item: debversion.sort_key(item.version), reverse=True)
        names = [
            name for item in metas for name in item.depends if fnmatchcase(name, request.follow)
        ]
        if metas and not names:
            raise UsageError(
                f"{metas[0].package} {metas[0].version} depends on nothing like {request.follow}",
                where=f"{root.suite} ({root.arch})",
                expected=f"one of its dependencies: {', '.join(metas[0].depends) or 'it has none'}",
            )
        names = list(dict.fromkeys(names))
    if not request.wanted:
        return root.versions(names[:1])
    family = _family(root, names[0]) if names else []
    if request.follow is not None:
        family = [name for name in family if fnmatchcase(name, request.follow)]
    found = root.versions(list(dict.fromkeys([*names, *family])))
    # linux-image-6.12-amd64 is no kernel: it depends on the newest one of its family.
    members = {item.package for item in found}
    return [item for item in found if not members & set(item.depends) - {item.package}]


def _family(root: AptRoot, name: str) -> list[str]:
    """The packages whose names differ in the version alone."""
    stem, version, rest = debversion.split_name(name)
    if not version:
        return []
    names = ((other, debversion.split_name(other)) for other in root.names(f"{stem}-"))
    return [other for other, parts in names if parts[1] and (parts[0], parts[2]) == (stem, rest)]


def best(found: Iterable[Listed], wanted: str) -> Listed | None:
    """The newest that is of the wanted version ("" for any); an exact match goes first."""

    def in_name(item: Listed) -> str:
        return debversion.split_name(item.package)[1]

    if not wanted:
        fits = list(found)
    else:
        fits = [item for item in found if wanted in (item.version, in_name(item))] or [
            item
            for item in found
            if debversion.satisfies(wanted, item.version)
            or debversion.satisfies(wanted, in_name(item))
        ]
    return max(fits, key=lambda item: debversion.sort_key(item.version), default=None)


def unknown(
    request: DebianFile,
    listed: Mapping[str, list[Listed]],
    ages: Iterable[float | None],
    *,
    offline: bool,
) -> UsageError:
    """The error for a version that no suite has; names those that they have."""

    def has(found: list[Listed]) -> str:
        found.sort(key=lambda item: debversion.sort_key(item.version), reverse=True)
        rows = [f"{item.package} {item.version}" for item in found]
        more = f", and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        return ", ".join(rows[:_SHOWN]) + more if rows else "none at all"

    what = f"no {request.package}" + (f" with a {request.follow}" if request.follow else "")
    version = f" of version {request.wanted}" if request.wanted else ""
    hint = "give one of these versions, 'newest', or another suite"
    if offline:
        oldest = min((age for age in ages if age), default=None)
        day = time.strftime("%Y-%m-%d", time.localtime(oldest)) if oldest else "an unknown day"
        hint += f"; the lists are of {day}, a run without --offline fetches newer ones"
    return UsageError(
        f"{what}{version} for {request.arch} in {', '.join(listed)}",
        expected="; ".join(f"{suite} has {has(found)}" for suite, found in listed.items()),
        hint=hint,
    )
