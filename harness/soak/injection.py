"""Failures made on purpose: recipes as data, and what they do to the request of a boot.

The recipes are in bootscripts/injection.yaml. A boot that is made to fail says so wherever it is
reported. Each recipe says how the boot must end, so that it can be checked that it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness import data
from harness.acpi.builder import q35_ivrs
from harness.acpi.mutations import apply, apply_to_ivrs
from harness.acpi.reading import read
from harness.board.base import Arch, Model, Name, OneLine, Regex
from harness.board.targets import QemuTarget
from harness.board.tree import read as read_yaml
from harness.errors import InfraError, InputError, ProfileError, UsageError
from harness.request import BootRequest
from harness.soak.outcome import Outcome
from harness.verdict import Kind

FILE = "injection.yaml"


class Recipe(Model):
    """How a boot is made to fail.

    `arch`: only boards of these architectures; none: of any. `xen`, `dom0`: edits of the command
    lines, as of --cmdline-xen. `machine`: other values of targets.qemu. `without_quirks`: quirks
    that are not worked around. `without_devices`: devices of the emulated machine that are not
    there. `ivrs`: a mutation of the IVRS (`harness acpi mutate`). `verdict`, `says`: how the boot
    ends, and a pattern in its cause or signature.
    """

    id: Name
    title: OneLine
    verdict: Literal["FAIL", "CRASHED", "HUNG"]
    says: Regex
    arch: tuple[Arch, ...] = ()
    xen: OneLine | None = None
    dom0: OneLine | None = None
    machine: dict[Literal["memory_mib", "smp", "cpu"], int | str] = Field(default_factory=dict)
    without_quirks: tuple[Name, ...] = ()
    without_devices: tuple[OneLine, ...] = ()
    ivrs: OneLine | None = None

    def machine_values(self) -> dict[str, Any]:
        return {str(name): value for name, value in self.machine.items()}

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` has written.

        Raises:
            InputError: it is none.
        """
        try:
            return cls.model_validate(value, strict=False)
        except ValidationError as bad:
            raise InputError(f"not a recipe: {bad.errors()[0]['msg']}") from None


@cache
def recipes() -> Mapping[str, Recipe]:
    """All recipes that came with this harness, by id.

    Raises:
        ProfileError: their file is damaged.
    """
    return recipes_of(data.folder("bootscripts") / FILE)


def recipes_of(file: Path) -> Mapping[str, Recipe]:
    """The recipes in a file.

    Raises:
        ProfileError: one of them is not valid; with file and key.
    """
    tree = read_yaml(file)
    found: dict[str, Recipe] = {}
    for name, value in tree.plain().items():
        try:
            found[name] = Recipe.model_validate({"id": name, **(value or {})}, strict=False)
        except (ValidationError, TypeError) as bad:
            first = bad.errors()[0] if isinstance(bad, ValidationError) else None
            key = ".".join(map(str, first["loc"])) if first else "recipe"
            said = first["msg"] if first else str(bad)
            where = tree.nearest((name,)).where
            raise ProfileError(f"{name}.{key}: {said}", where=where) from None
    return found


def chosen(names: Iterable[str], request: BootRequest, scratch: Path) -> dict[str, Recipe]:
    """The recipes with these names, each of which this boot can have.

    Args:
        scratch: a folder for files of theirs.

    Raises:
        UsageError: there is no such recipe, or this boot cannot have it; it names those it can.
    """
    known = recipes()
    found: dict[str, Recipe] = {}
    for name in names:
        recipe = known.get(name)
        reason = "there is no such recipe" if recipe is None else _misfit(recipe, request, scratch)
        if recipe is None or reason is not None:
            fitting = [one.id for one in known.values() if _misfit(one, request, scratch) is None]
            raise UsageError(
                f"--inject {name}: {reason}",
                expected=f"of this boot of {request.board.name}: {', '.join(fitting) or 'none'}",
            )
        found[name] = recipe
    return found


def _misfit(recipe: Recipe, request: BootRequest, scratch: Path) -> str | None:
    """Why a boot cannot have a recipe; None: it can."""
    try:
        injected(request, recipe, scratch)
    except (UsageError, InputError) as bad:
        return bad.message
    return None


def injected(request: BootRequest, recipe: Recipe, scratch: Path) -> BootRequest:
    """The same boot, made to fail.

    Args:
        scratch: a folder for files that the boot needs.

    Raises:
        UsageError: this boot cannot have the recipe.
    """
    board = request.board
    if recipe.arch and board.arch not in recipe.arch:
        raise UsageError(f"it is for {', '.join(recipe.arch)}, and {board.name} is {board.arch}")
    changed: dict[str, Any] = {}
    if recipe.machine or recipe.without_quirks or recipe.without_devices:
        if request.target_kind != "qemu" or board.targets.qemu is None:
            raise UsageError("it needs an emulated machine")
        machine = _machine(board.targets.qemu, recipe, board.name)
        targets = board.targets.model_copy(update={"qemu": machine})
        changed["board"] = board.model_copy(update={"targets": targets})
    for name, edits in (("xen_edits", recipe.xen), ("dom0_edits", recipe.dom0)):
        if edits is not None:
            changed[name] = _edits(request, getattr(request, name), edits)
    if recipe.dom0 is not None and not board.dom0.present:
        raise UsageError(f"it needs a dom0, and {board.name} has none")
    if recipe.ivrs is not None:
        changed["ivrs"] = _ivrs(recipe, request, scratch)
    return replace(request, **changed)


def _machine(machine: QemuTarget, recipe: Recipe, board: str) -> QemuTarget:
    quirks = {one.id for one in machine.quirks}
    for quirk in recipe.without_quirks:
        if quirk not in quirks:
            raise UsageError(f"it needs the quirk {quirk}, which {board} does not have")
    for device in recipe.without_devices:
        if not any(_is(device, one) for one in machine.devices):
            raise UsageError(f"it needs the device {device}, which {board} does not have")
    changed: dict[str, Any] = recipe.machine_values()
    changed["quirks"] = tuple(q for q in machine.quirks if q.id not in recipe.without_quirks)
    changed["devices"] = tuple(
        one
        for one in machine.devices
        if not any(_is(device, one) for device in recipe.without_devices)
    )
    return machine.model_copy(update=changed)


def _is(device: str, words: str) -> bool:
    return words.partition(",")[0] == device


def _edits(request: BootRequest, given: str | None, edits: str) -> str:
    if not request.gives_cmdlines or "script" in request.uses:
        raise UsageError("it changes a command line, and that of this boot is the user's")
    if given is None:
        return edits
    if edits.startswith("="):
        return edits
    return f"{given} {edits.replace('+', '') if given.startswith('=') else edits}"


def _ivrs(recipe: Recipe, request: BootRequest, scratch: Path) -> Path:
    """A file with the IVRS of this boot, or the machine's, mutated."""
    mutation = recipe.ivrs or ""
    if request.ivrs is not None:
        found = apply(read(request.ivrs), mutation).find("IVRS")
        table = found.data if found else None
    else:
        table = apply_to_ivrs(q35_ivrs(), mutation)
    if table is None:
        raise UsageError("it leaves no IVRS")
    path = scratch / f"{recipe.id}.bin"
    try:
        path.write_bytes(table)
    except OSError as bad:
        raise InfraError.of(bad, "cannot write", path) from None
    return path


def unexpected(outcomes: Iterable[Outcome], known: Mapping[str, Recipe]) -> list[str]:
    """The boots that did not end as they were made to, one line each; empty: all of them did.

    A boot that nothing was done to is made to pass. What our side failed counts nowhere.
    """
    rows = []
    for one in outcomes:
        wanted = None if one.boot.injected is None else known.get(one.boot.injected)
        verdict, title = one.signature.verdict, one.signature.title
        if verdict in {Kind.DIED, Kind.INFRA}:
            continue
        if one.boot.injected is None:
            if verdict != Kind.PASS:
                rows.append(f"boot {one.boot.number}: {title}, and nothing was injected")
        elif wanted is None:
            rows.append(f"boot {one.boot.number}: {title}; {one.boot.injected} is not known here")
        elif verdict != wanted.verdict or not re.search(wanted.says, f"{title}\n{one.cause}"):
            rows.append(f"boot {one.boot.number}: {title}, not {wanted.verdict} ({wanted.id})")
    return rows
