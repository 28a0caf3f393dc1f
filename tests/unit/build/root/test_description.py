from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import pytest

from harness.build.render import render
from harness.build.root import debs_of, load_description
from harness.build.root.description import TRIPLETS, Arch, filled
from harness.data import folder
from harness.errors import ProfileError
from harness.sources import Sources
from tests.unit.build.root.packages import SPEC

ROOT = folder("bootscripts") / "root"


def test_the_one_that_we_ship() -> None:
    found, sha256 = load_description()
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    assert {"vi", "udhcpc", "wget"} <= set(found.applets)
    assert len(set(found.applets)) == len(found.applets)


@pytest.mark.parametrize(("arch", "emulator"), [("amd64", ["qemu-system-xen"]), ("armhf", [])])
def test_what_is_asked_of_the_sources(arch: str, emulator: list[str]) -> None:
    sources = Mock(spec=Sources)
    debs_of(replace(SPEC, arch=arch), sources)
    [(asked, suite, of), more] = sources.closure.call_args
    assert (suite, of) == ("bookworm", arch)
    assert {"xen-utils-4.17", "busybox-static"} <= set(asked)
    assert list(more["optional"]) == emulator
    assert "perl*" in more["without"]


def test_a_spec_is_checked_before_anything_is_fetched() -> None:
    sources = Mock(spec=Sources)
    with pytest.raises(ProfileError, match="cannot be the xen"):
        debs_of(replace(SPEC, xen="newest"), sources)
    sources.closure.assert_not_called()


@pytest.mark.parametrize("arch", get_args(Arch))
def test_placeholders(arch: str) -> None:
    found, _ = load_description()
    paths = filled((*found.drop, *found.small.of(arch)), arch, "4.17")
    assert not [path for path in paths if "{" in path]
    assert f"usr/lib/{TRIPLETS[arch]}/libgcc_s.so.1" in paths


def test_the_scripts_are_scripts() -> None:
    found, _ = load_description()
    for file in found.files:
        text = render(
            f"root/{file.template}",
            xen="4.17",
            hostname="apu2",
            load=("loop", "tun"),
            devices=found.load.devices,
        )
        assert "{" + "{" not in text
        if text.startswith("#!/bin/sh"):
            done = subprocess.run(["/bin/sh", "-n"], input=text, text=True, check=False)
            assert done.returncode == 0, file.template


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("packages:\n", "packages:\n  mips: [x]\n", "  mips", "packages.mips: Extra inputs"),
        ("    - bash\n", "    - ba{sh}\n", "    - ba{sh}", "only {xen} and {triplet}"),
        ("    - bash\n", "    - bash{\n", "    - bash{", "Single '{'"),
        ("  - etc/apt/**\n", "  - /etc/apt/**\n", "  - /etc/apt", "no leading slash"),
        ("  - etc/apt/**\n", "  - etc/../apt\n", "  - etc/../apt", "no leading slash"),
        ('{path: mnt, mode: "755"}', '{path: mnt, mode: "7x5"}', "path: mnt", "folders.3.mode"),
        (
            '{path: mnt, mode: "755"}',
            '{path: boot, mode: "755"}',
            "folders:",
            "boot is there twice",
        ),
        ('virtio:|of:)"', 'virtio:|of:"', "  devices:", "not a regular expression"),
        ('virtio:|of:)"', "virtio:|o'f:)\"", "  devices:", "single quotes"),
        ("template: motd.j2", "template: ../motd.j2", "etc/motd", "template"),
        ("template: motd.j2", "template: none.j2", "", "none.j2 of etc/motd cannot be read"),
    ],
)
def test_errors_name_file_line_and_key(
    tmp_path: Path, old: str, new: str, line: str, says: str
) -> None:
    text = (ROOT / "debian.yaml").read_text()
    assert text.count(old) == 1
    changed = text.replace(old, new)
    (tmp_path / "mine.yaml").write_text(changed)
    with pytest.raises(ProfileError) as caught:
        load_description(tmp_path / "mine.yaml")
    assert says in caught.value.message
    where = str(tmp_path / "mine.yaml")
    if line:
        number = next(n for n, row in enumerate(changed.splitlines(), 1) if line in row)
        where += f":{number}"
    assert caught.value.where == where
