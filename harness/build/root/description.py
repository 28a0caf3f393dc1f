"""What a root is made of: `bootscripts/root/debian.yaml`, read and checked."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from harness.board.base import Misfit, Model, Name, OneLine, Regex
from harness.board.tree import read
from harness.data import folder
from harness.errors import ProfileError

Arch = Literal["amd64", "arm64", "armhf"]

TRIPLETS: Mapping[str, str] = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
}
"""Debian's names of architectures -> those in paths (Debian Policy, multiarch)."""

_PLACEHOLDERS = {"xen", "triplet"}


def _text(text: str) -> str:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as bad:
        raise ValueError(f"{text!r}: {bad}") from None
    if fields - _PLACEHOLDERS:
        raise ValueError(f"{text!r}: only {{xen}} and {{triplet}} are replaced")
    return text


def _quotable(text: str) -> str:
    if "'" in text:
        raise ValueError("stands between single quotes in a script")
    return text


def _path(text: str) -> str:
    if any(part in ("", ".", "..") for part in text.split("/")):
        raise ValueError(f'{text!r}: a path has no leading slash, no empty part, "." or ".."')
    return text


Text = Annotated[OneLine, AfterValidator(_text), Field(min_length=1)]
Path_ = Annotated[Text, AfterValidator(_path)]
Mode = Annotated[str, Field(pattern=r"^[01]?[0-7]{3}$")]


class Folder(Model):
    """A folder that no package has, or that gets other permissions."""

    path: Path_
    mode: Mode


class OurFile(Model):
    """A file of ours: where it goes, and the template that it is made of."""

    path: Path_
    template: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z]+)?\.j2$|^[A-Za-z0-9-]+\.j2$")]
    mode: Mode


class Load(Model):
    """Modules that the start scripts load: always, under Xen, and for devices.

    Attributes:
        devices: matches the modaliases of the devices whose drivers are loaded (grep -E).
    """

    always: tuple[Name, ...] = ()
    xen: tuple[Name, ...] = ()
    devices: Annotated[Regex, AfterValidator(_quotable)] = "^$"


class PerArch(Model):
    """A list for every architecture, and one for each."""

    all: tuple[Text, ...] = ()
    amd64: tuple[Text, ...] = ()
    arm64: tuple[Text, ...] = ()
    armhf: tuple[Text, ...] = ()

    def of(self, arch: str) -> tuple[str, ...]:
        """What holds for an architecture of Debian."""
        own: tuple[str, ...] = getattr(self, arch)
        return (*self.all, *own)


class Description(Model):
    """See the comments in `bootscripts/root/debian.yaml`."""

    packages: PerArch
    optional: PerArch = PerArch()
    without: tuple[Text, ...] = ()
    drop: tuple[Path_, ...] = ()
    modules: PerArch = PerArch()
    load: Load = Load()
    folders: tuple[Folder, ...] = ()
    links: dict[Path_, OneLine] = Field(default_factory=dict)
    files: tuple[OurFile, ...] = ()
    applets: tuple[OneLine, ...] = ()
    small: PerArch = PerArch()
    large: tuple[Path_, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen: set[str] = set()
        for key, paths in (
            ("folders", [made.path for made in self.folders]),
            ("links", list(self.links)),
            ("files", [file.path for file in self.files]),
        ):
            for path in paths:
                if path in seen:
                    raise Misfit(f"{path} is there twice", key)
                seen.add(path)
        return self


@cache
def load_description(file: Path | None = None) -> tuple[Description, str]:
    """The description, and a sha256 of it with all that it is rendered from.

    Args:
        file: another one than the harness's own; its templates are still the harness's.

    Raises:
        ProfileError: it cannot be read or is not valid; with file and line.
    """
    own = folder("bootscripts") / "root"
    file = file or own / "debian.yaml"
    tree = read(file)
    try:
        found = Description.model_validate_json(json.dumps(tree.plain()))
    except ValidationError as bad:
        [error, *more] = bad.errors()
        misfit = error.get("ctx", {}).get("error")
        place = tuple(step for step in error["loc"] if step != "[key]")
        if isinstance(misfit, Misfit):
            place = (*place, *misfit.place)
        raise ProfileError(
            f"{'.'.join(map(str, place))}: {error['msg'].removeprefix('Value error, ')}",
            where=tree.nearest(place).where,
            hint=f"{len(more)} more problem(s) in this file" if more else None,
        ) from None
    total = hashlib.sha256(file.read_bytes())
    for ours in found.files:
        template = own / ours.template
        try:
            total.update(b"\0" + template.read_bytes())
        except OSError as error:
            raise ProfileError(
                f"template {ours.template} of {ours.path} cannot be read: {error.strerror}",
                where=str(file),
            ) from None
    return found, total.hexdigest()


def filled(texts: tuple[str, ...], arch: str, xen: str) -> tuple[str, ...]:
    """The texts of a description, with their placeholders replaced."""
    return tuple(text.format(xen=xen, triplet=TRIPLETS[arch]) for text in texts)
