from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from harness.build.domu_cfg import Disk, IoPages, Vif, render_domu_cfg
from harness.build.render import render
from harness.errors import ProfileError
from harness.lint.cfg_keys import KEYS
from harness.lint.xlcfg import parse

PORT_CONTROLLER = IoPages(0x01C20000, 2)
ARGUMENTS: dict[str, Any] = {
    "name": "bare_metal",
    "kernel": "baremetal.bin",
    "memory_mib": 512,
    "vcpus": 1,
}


def rendered(**changes: Any) -> str:
    return render_domu_cfg(**{**ARGUMENTS, **changes})


def read(text: str) -> dict[str, Any]:
    """The file as xl reads it: for strings without escapes its syntax is that of Python."""
    tree = ast.parse(text)
    assert all(isinstance(line, ast.Assign) for line in tree.body)
    assigned = [line for line in tree.body if isinstance(line, ast.Assign)]
    names = [ast.unparse(line.targets[0]) for line in assigned]
    assert len(names) == len(set(names))
    return dict(zip(names, (ast.literal_eval(line.value) for line in assigned), strict=True))


def test_golden(golden: Callable[[str, str], None]) -> None:
    text = rendered(
        cpus="1", iomem=[PORT_CONTROLLER], cmdline="gpio", vuart=True, on_crash="destroy"
    )
    golden("domU.cfg", text)


LINUX: dict[str, Any] = {
    "name": "linux",
    "kernel": "/boot/vmlinuz",
    "ramdisk": "/boot/guest-initrd.gz",
    "memory_mib": 128,
    "max_memory_mib": 256,
    "vcpus": 2,
    "disks": [Disk("/var/guest.img"), Disk("/var/cd rom.iso", "hda", writable=False)],
    "vifs": [Vif("xenbr0", "00:16:3e:00:00:01"), Vif("br1", model="e1000")],
    "pci": ["03:00.0"],
    "cmdline": "console=hvc0",
    "on_reboot": "destroy",
}


def linux(**changes: Any) -> dict[str, Any]:
    return read(render_domu_cfg(**{**LINUX, **changes}))


def test_golden_of_a_linux_guest(golden: Callable[[str, str], None]) -> None:
    golden("domU-linux.cfg", render_domu_cfg(**LINUX, type="hvm", platform_pci=False))


def test_disks_and_network_cards_are_texts_of_xl() -> None:
    values = linux(type="pv")
    assert values["disk"] == [
        "format=raw, vdev=xvda, access=rw, target=/var/guest.img",
        "format=raw, vdev=hda, access=ro, target=/var/cd rom.iso",
    ]
    assert values["vif"] == ["mac=00:16:3e:00:00:01,bridge=xenbr0", "bridge=br1,model=e1000"]
    assert values["pci"] == ["03:00.0"]
    assert (values["memory"], values["maxmem"]) == (128, 256)


def test_only_an_hvm_guest_has_a_display_to_switch_off() -> None:
    off = {"vga": "none", "vnc": 0, "sdl": 0}
    assert {key: linux(type="hvm").get(key) for key in off} == off
    for kind in ("pv", "pvh"):
        assert not off.keys() & linux(type=kind).keys()


def test_the_platform_device_is_xls_choice_unless_it_is_said() -> None:
    assert "xen_platform_pci" not in linux(type="hvm")
    assert linux(type="hvm", platform_pci=False)["xen_platform_pci"] == 0
    assert linux(type="hvm", platform_pci=True)["xen_platform_pci"] == 1


def test_lint_knows_every_key_that_is_written() -> None:
    config = parse(render_domu_cfg(**LINUX, type="hvm", platform_pci=False))
    assert not config.mistakes
    assert {one.key for one in config.settings} <= set(KEYS)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "hvm2"},
        {"ramdisk": 'a"b'},
        {"max_memory_mib": 127},
        {"on_reboot": "coredump-destroy"},
        {"type": "pv", "platform_pci": True},
        {"disks": [Disk("")]},
        {"disks": [Disk(" /x")]},
        {"disks": [Disk("/a'b")]},
        {"disks": [Disk("/x", "vda")]},
        {"disks": [Disk("/x"), Disk("/y")]},
        {"vifs": [Vif("")]},
        {"vifs": [Vif("xen br")]},
        {"vifs": [Vif("xenbr0", "00:16:3E:00:00:01")]},
        {"vifs": [Vif("xenbr0", "01:16:3e:00:00:01")]},
        {"vifs": [Vif("xenbr0", model="e1000,script=x")]},
        {"pci": ["3:0.0"]},
        {"pci": ["03:00.0,seize=1"]},
        {"pci": ["03:20.0"]},
    ],
    ids=str,
)
def test_what_xl_would_refuse_or_misread_in_a_linux_guest(changes: dict[str, Any]) -> None:
    with pytest.raises(ProfileError, match="cannot be the"):
        linux(**changes)


def test_the_least_that_xl_needs() -> None:
    assert read(rendered()) == {
        "kernel": "baremetal.bin",
        "memory": 512,
        "name": "bare_metal",
        "vcpus": 1,
        "on_crash": "destroy",
    }


def test_one_text_is_for_all_virtual_cpus_and_a_list_for_each() -> None:
    assert read(rendered(vcpus=2, cpus="1"))["cpus"] == "1"
    assert read(rendered(vcpus=2, cpus=("1", "2")))["cpus"] == ["1", "2"]
    assert read(rendered(vcpus=1, cpus=["0-3,^2"]))["cpus"] == ["0-3,^2"]


def test_pages_are_frame_numbers_in_hexadecimal() -> None:
    pages = [PORT_CONTROLLER, IoPages(0xA000, 16), IoPages(0x1C28000, 1, 0x10000000)]
    assert read(rendered(iomem=pages))["iomem"] == ["1c20,2", "a,10", "1c28,1@10000"]
    assert read(rendered(iomem=[IoPages(0x1C28000, 1, 0)]))["iomem"] == ["1c28,1@0"]


@given(
    name=st.from_regex(r"[A-Za-z_][A-Za-z0-9_.+-]{0,62}", fullmatch=True).filter(
        lambda name: name != "Domain-0"
    ),
    cmdline=st.text(st.sampled_from("abz 019=,./#;[]$%`~()!&|<>{}"), max_size=40),
    memory=st.integers(1, 4096),
)
def test_what_is_accepted_is_read_back_as_it_was(name: str, cmdline: str, memory: int) -> None:
    values = read(rendered(name=name, cmdline=cmdline, memory_mib=memory))
    assert (values["name"], values.get("cmdline", "")) == (name, cmdline)
    assert values["memory"] == memory


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "1"),
        ("name", "a b"),
        ("name", "a/b"),
        ("name", "a" * 64),
        ("name", "a\n"),
        ("name", "Domain-0"),
        ("kernel", ""),
        ("kernel", 'a"b'),
        ("kernel", "a\\b"),
        ("kernel", "a\nname = 'x'"),
        ("kernel", "ä"),
        ("cmdline", "it's"),
        ("cmdline", "a\tb"),
        ("memory_mib", 0),
        ("memory_mib", -1),
        ("vcpus", 0),
        ("vcpus", 129),
        ("cpus", ""),
        ("cpus", "one"),
        ("cpus", "1,"),
        ("cpus", "1 2"),
        ("cpus", "-1"),
        ("cpus", []),
        ("cpus", ["1", "2"]),
        ("on_crash", "panic"),
        ("on_crash", ""),
    ],
)
def test_what_xl_would_take_for_something_else_is_refused(field: str, value: object) -> None:
    with pytest.raises(ProfileError) as refused:
        rendered(**{field: value})
    assert refused.value.where == f"domU.{field}"
    assert refused.value.expected


@pytest.mark.parametrize(
    ("pages", "field"),
    [
        (IoPages(0x01C20800), "iomem[0].address"),
        (IoPages(-4096), "iomem[0].address"),
        (IoPages(1 << 40), "iomem[0].address"),
        (IoPages((1 << 40) - 4096, 2), "iomem[0].address"),
        (IoPages(0x01C20000, 0), "iomem[0].pages"),
        (IoPages(0x01C20000, 1, 0x800), "iomem[0].guest_address"),
        (IoPages(0x01C20000, 1, 1 << 40), "iomem[0].guest_address"),
    ],
)
def test_pages_that_are_none_are_refused(pages: IoPages, field: str) -> None:
    with pytest.raises(ProfileError) as refused:
        rendered(iomem=[pages])
    assert refused.value.where == f"domU.{field}"


def test_the_last_page_of_the_address_space_is_a_page() -> None:
    assert read(rendered(iomem=[IoPages((1 << 40) - 4096)]))["iomem"] == ["fffffff,1"]


def test_an_address_inside_a_page_names_the_page() -> None:
    with pytest.raises(ProfileError, match=r"0x1c20800.*in that of 0x1c20000"):
        rendered(iomem=[IoPages(0x01C20800)])


def test_a_variable_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("domU.cfg.j2", name="a")
