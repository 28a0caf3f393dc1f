from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from harness.build.menu import LABEL_MAX, TITLE_MAX, MenuEntry, render_menu
from harness.build.render import render
from harness.errors import ProfileError, UsageError

GOLDEN = Path(__file__).parents[2] / "golden" / "menu.ipxe"

ENTRIES = [
    MenuEntry("shell", "ipxe shell", "shell"),
    MenuEntry("xen", "Xen", "xen"),
    MenuEntry("debian", "Debian stable netboot 4.14.y", "linux"),
    MenuEntry("exit", "TODO:Debian testing netinst (UEFI-aware)", "exit"),
]
ARGUMENTS: dict[str, Any] = {
    "title": "iPXE boot menu",
    "entries": ENTRIES,
    "base_url": "http://192.168.42.1:8000",
    "xen_cmdline": "dom0_mem=512M com1=115200,8n1 console=com1",
    "kernel_cmdline": "console=hvc0 earlyprintk=xen",
    "linux_cmdline": "console=ttyS0,115200",
    "default": "xen",
    "timeout_ms": 0,
    "files": {"xen": "xen-4.17", "kernel": "boot/vmlinuz", "initrd": "initrd.gz"},
}


def rendered(**changes: Any) -> str:
    return render_menu(**{**ARGUMENTS, **changes})


def test_golden() -> None:
    assert rendered(timeout_ms=5000) == GOLDEN.read_text()


def test_without_a_timeout_there_is_no_countdown() -> None:
    assert "--timeout" not in rendered(timeout_ms=0)
    assert "choose --default xen chosen || goto left\n" in rendered(timeout_ms=0)
    assert "choose --default xen --timeout 1 chosen" in rendered(timeout_ms=1)


def test_every_fetch_and_every_start_has_a_way_out() -> None:
    lines = rendered().splitlines()
    doing = [line for line in lines if re.match(r"(kernel|module|initrd|boot|choose)\b", line)]
    assert len(doing) == 3 + 1 + 2 + 1 + 1
    assert all(re.search(r" \|\| goto (failed|refused|left)$", line) for line in doing)


def test_every_goto_has_its_label_and_every_label_is_there_once() -> None:
    script = rendered()
    labels = re.findall(r"^:(\S+)$", script, re.MULTILINE)
    assert len(labels) == len(set(labels))
    targets = set(re.findall(r"goto (\S+)$", script, re.MULTILINE)) - {"entry-${chosen}"}
    assert targets | {f"entry-{entry.id}" for entry in ENTRIES} == set(labels)


def test_ids_that_are_labels_of_ours_do_no_harm() -> None:
    script = rendered(
        entries=[MenuEntry("failed", "a", "shell"), MenuEntry("menu", "b", "exit")], default="menu"
    )
    labels = re.findall(r"^:(\S+)$", script, re.MULTILINE)
    assert len(labels) == len(set(labels))


def test_a_menu_without_xen_needs_no_xen() -> None:
    assert rendered(entries=ENTRIES[:1], default="shell", files={})


BAD_LINES = [
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[2Jb",
    "a || reboot",
    "a && reboot",
    "a ; reboot",
    "a #b",
    "#a",
    "a ${net0/mac}",
    "a${b}",
    "a\\",
    "caf\xe9",
]
BAD_TEXTS = ["", " ", " a", "a ", "a  b", "-a", "--gap a"]


@pytest.mark.parametrize("text", BAD_LINES + BAD_TEXTS + ["x" * (LABEL_MAX + 1)])
def test_a_label_that_ipxe_would_not_show_as_it_is_is_refused(text: str) -> None:
    with pytest.raises(ProfileError) as caught:
        rendered(entries=[ENTRIES[1], MenuEntry("b", text, "exit")])
    assert caught.value.where == "menu[1].label"


@pytest.mark.parametrize("text", BAD_LINES + BAD_TEXTS + ["x" * (TITLE_MAX + 1)])
def test_a_title_that_ipxe_would_not_show_as_it_is_is_refused(text: str) -> None:
    with pytest.raises(ProfileError) as caught:
        rendered(title=text)
    assert caught.value.where == "menu.title"


@pytest.mark.parametrize("field", ["xen_cmdline", "kernel_cmdline", "linux_cmdline"])
@pytest.mark.parametrize("line", BAD_LINES)
def test_a_command_line_that_ipxe_would_take_apart_is_refused(field: str, line: str) -> None:
    with pytest.raises(ProfileError) as caught:
        rendered(**{field: line})
    assert caught.value.where == field


@pytest.mark.parametrize(
    "line", ["", "a=b;c", "a|b", "x=#1", "loglvl=all -- single", "a=$b", 'q="x"']
)
def test_a_command_line_that_ipxe_hands_on_is_taken(line: str) -> None:
    assert f"/xen-4.17 {line} || goto failed\n" in rendered(xen_cmdline=line)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "${a}", "-a", "a\n", "#", "x" * 33])
def test_an_id_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(ProfileError) as caught:
        rendered(entries=[MenuEntry(name, "A", "exit")], default=name)
    assert caught.value.where == "menu[0].id"


def test_an_id_twice_is_refused() -> None:
    with pytest.raises(ProfileError, match="twice"):
        rendered(entries=[*ENTRIES, MenuEntry("xen", "Xen again", "xen")])


def test_an_empty_menu_is_refused() -> None:
    with pytest.raises(ProfileError):
        rendered(entries=[])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        rendered(entries=[MenuEntry("xen", "Xen", "windows")])  # type: ignore[arg-type]
    assert caught.value.where == "menu[0].kind"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"default": "nothing"}, "menu.default"),
        ({"timeout_ms": -1}, "menu.timeout_ms"),
        ({"base_url": "http://host/"}, "menu.base_url"),
        ({"base_url": "http://host/a b"}, "menu.base_url"),
        ({"base_url": "http://${x}"}, "menu.base_url"),
        ({"base_url": "http://host\n"}, "menu.base_url"),
        ({"base_url": "file:///etc"}, "menu.base_url"),
        ({"files": {"kernel": "k", "initrd": "i"}}, "menu.files"),
        ({"files": {"xen": "x", "kernel": "a/../b", "initrd": "i"}}, "menu.files.kernel"),
        ({"files": {"xen": "x", "kernel": "/k", "initrd": "i"}}, "menu.files.kernel"),
        ({"files": {"xen": "x y", "kernel": "k", "initrd": "i"}}, "menu.files.xen"),
        ({"files": {"xen": "x", "kernel": "k", "initrd": "i\n"}}, "menu.files.initrd"),
    ],
)
def test_what_does_not_fit_the_entries_is_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        rendered(**changes)
    assert caught.value.where == where


SHARP = st.lists(
    st.sampled_from(["a", "b", " ", *"|&;#${}\\-:\n\r\t\v'\"", "||", "&&"]), max_size=8
)


@given(label=SHARP.map("".join), line=SHARP.map("".join))
def test_no_text_adds_a_command(label: str, line: str) -> None:
    try:
        script = rendered(entries=[ENTRIES[1], MenuEntry("b", label, "exit")], xen_cmdline=line)
    except ProfileError:
        return
    commands = ipxe_commands(script)
    assert ["item", "b", *label.split()] in commands
    first = next(words for words in commands if words[0] == "kernel")
    assert first[2:] == line.split()
    assert len(commands) == len(
        ipxe_commands(rendered(entries=[ENTRIES[1], MenuEntry("b", "B", "exit")]))
    )


def ipxe_commands(script: str) -> list[list[str]]:
    """The commands that iPXE would make of a script: an independent reading of its rules."""
    commands = []
    for line in re.sub(r"\\\r?\n", "", script).split("\n"):
        words: list[str] = []
        for word in re.split(r"[ \t\n\v\f\r]+", line):
            if word.startswith("#"):
                break
            if word in ("||", "&&", ";"):
                commands.append(words)
                words = []
            elif word:
                words.append(word)
        if words and not words[0].startswith(":"):
            commands.append(words)
    return commands


def test_a_template_without_its_variables_is_an_error_of_ours() -> None:
    with pytest.raises(UndefinedError):
        render("menu.ipxe.j2", title="x")
