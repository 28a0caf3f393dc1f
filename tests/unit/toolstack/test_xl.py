from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FormatError, InfraError, UsageError
from harness.shell.base import ShellError
from harness.toolstack import xl
from harness.toolstack.dom0 import Dom0
from harness.toolstack.privcmd import Diagnosis, Facts
from harness.toolstack.xl import XlError
from tests.unit.toolstack.conftest import Program

DATA = Path(__file__).parents[2] / "data/xl/x86-4.17"
CFG = 'name = "g"\ntype = "pvh"\n'
LIST = (DATA / "list-v.txt").read_text()
G = "g                                            7   128     1     --p---       0.0"


def said(name: str) -> str:
    return (DATA / f"{name}.txt").read_text()


def calls(file: Path) -> list[str]:
    return file.read_text().split("\n")[:-1]


def by_command(program: Program, **scripts: str) -> Path:
    """An xl that does something of its own for each of these commands."""
    cases = "".join(f"{name.replace('_', '-')}) {script};;\n" for name, script in scripts.items())
    return program("xl", script=f'case "$1" in\n{cases}*) echo "unknown: $*"; exit 9;;\nesac')


def test_answers_are_parsed(dom0: Dom0, program: Program) -> None:
    program("xl", LIST)
    assert [one.name for one in dom0.xl.list()] == ["Domain-0"]
    assert dom0.xl.domain("Domain-0") == dom0.xl.domain(0) == dom0.xl.list()[0]
    assert dom0.xl.domain("nobody") is None
    program("xl", said("info"))
    assert dom0.xl.info().free_memory == 3027
    program("xl", said("vcpu-list"))
    assert len(dom0.xl.vcpu_list()) == 4
    program("xl", "7\n")
    assert dom0.xl.domid("g") == 7
    program("xl", said("pci-assignable-list"))
    assert dom0.xl.pci_assignable_list() == ("0000:03:00.0",)


def test_the_log_of_xen(dom0: Dom0, program: Program) -> None:
    program("xl", "(XEN) Xen version 4.17.7 (x) debug=n\n(XEN) Brought up 4 CPUs\n")
    log = dom0.xl.dmesg()
    assert log.lines == ("(XEN) Xen version 4.17.7 (x) debug=n", "(XEN) Brought up 4 CPUs")
    assert log.log.xen.version == "4.17.7"
    assert log.log.xen.cpus_brought_up == 4


def test_an_answer_that_is_none(dom0: Dom0, program: Program) -> None:
    program("xl", "what?\n")
    with pytest.raises(FormatError, match="this is no answer to `xl list`"):
        dom0.xl.list()
    with pytest.raises(FormatError, match="this is no answer to `xl domid`"):
        dom0.xl.domid("g")


def test_names_are_quoted(dom0: Dom0, program: Program) -> None:
    file = program("xl")
    dom0.xl.destroy("a; touch x' $(y)")
    dom0.xl.pause("g")
    dom0.xl.unpause(3)
    dom0.xl.shutdown("g")
    assert calls(file) == [
        "destroy a; touch x' $(y)",
        "pause g",
        "unpause 3",
        "shutdown -w -F g",
    ]
    with pytest.raises(UsageError, match="cannot be typed"):
        dom0.xl.destroy("a\nb")


def test_a_domain_is_made(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    made = by_command(
        program, create=f"cp $2 {tmp_path}/seen || cp $3 {tmp_path}/seen", list=f"echo '{LIST}{G}'"
    )
    assert dom0.xl.create(CFG).id == 7
    assert (tmp_path / "seen").read_text() == CFG
    assert dom0.xl.create(CFG, paused=True).states == {"paused"}
    (tmp_path / "host.cfg").write_text(CFG)
    assert dom0.xl.create(tmp_path / "host.cfg").name == "g"
    assert [call for call in calls(made) if call.startswith("create")] == [
        f"create {tmp_path}/domain.cfg",
        f"create -p {tmp_path}/domain.cfg",
        f"create {tmp_path}/domain.cfg",
    ]


def test_what_cannot_be_made(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name"):
        dom0.xl.create('type = "pvh"')
    with pytest.raises(InfraError, match=r"cannot read .*nothing"):
        dom0.xl.create(tmp_path / "nothing")
    by_command(program, create="true", list=f"echo '{LIST}'")
    with pytest.raises(XlError, match="gone right after its creation") as caught:
        dom0.xl.create(CFG)
    assert "xl-g.log" in str(caught.value.hint)


def test_an_error_says_what_it_means(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(said("create-nokernel"))
    by_command(program, create=f"cat {tmp_path}/words; exit 3")
    with pytest.raises(XlError) as caught:
        dom0.xl.create(CFG)
    bad = caught.value
    assert bad.problem is not None
    assert (bad.problem.id, bad.status) == ("xl-no-file", 3)
    assert bad.message.startswith(
        f"`xl create {tmp_path}/domain.cfg` failed (exit status 3): the kernel or ramdisk "
        "/boot/nothing of the domain cannot be read in dom0: No such file or directory\n"
        "    xc: error: panic: "
    )
    assert "paths are those of dom0" in str(bad.hint)
    assert bad.exit_code == 1
    assert isinstance(bad, ShellError)


def test_words_that_nobody_knows(dom0: Dom0, program: Program) -> None:
    program("xl", "something new\n", 5)
    with pytest.raises(XlError, match=r"`xl info` failed \(exit status 5\)\n    something new$"):
        dom0.xl.info()


def test_memory_beyond_the_machine(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    for name in ("create-memory", "info"):
        (tmp_path / name).write_text(said(name))
    by_command(
        program,
        create=f"cat {tmp_path}/create-memory; exit 3",
        info=f"cat {tmp_path}/info",
    )
    with pytest.raises(XlError, match="3027 of 4095 MiB are free"):
        dom0.xl.create(CFG)


def test_memory_beyond_a_machine_that_says_nothing(
    dom0: Dom0, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text(said("create-memory"))
    by_command(program, create=f"cat {tmp_path}/words; exit 3")
    with pytest.raises(XlError, match=r"not so much free memory.*and then: this is no answer"):
        dom0.xl.create(CFG)


def test_commands_that_end_well_without_a_domain(dom0: Dom0, program: Program) -> None:
    program("xl", said("block-list-none"))
    with pytest.raises(XlError) as caught:
        dom0.xl.block_list("nobody")
    assert caught.value.problem is not None
    assert caught.value.problem.id == "xl-no-domain"


def test_no_way_to_xen_is_diagnosed(
    dom0: Dom0, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = Diagnosis("privcmd-missing", "module x is missing", "run depmod", Facts("xen", "6.1"))
    monkeypatch.setattr(xl, "diagnose_privcmd", lambda _: why)
    program("xl", "xencall: error: Could not obtain handle on privileged command interface: x\n", 1)
    with pytest.raises(XlError, match=r"failed \(exit status 1\): module x is missing") as caught:
        dom0.xl.list()
    assert caught.value.diagnosis is why
    assert caught.value.hint == "run depmod"
    # Other errors cost no such question.
    monkeypatch.setattr(xl, "diagnose_privcmd", lambda _: pytest.fail("asked"))
    program("xl", said("list-none"), 1)
    with pytest.raises(XlError, match="no such domain"):
        dom0.xl.list()


def test_xl_that_is_not_there(dom0: Dom0, program: Program) -> None:
    program("true")
    with pytest.raises(XlError, match=r"exit status 127") as caught:
        dom0.xl.list()
    assert caught.value.problem is not None
    assert caught.value.problem.id == "xl-not-installed"


# --- debug keys --------------------------------------------------------------------------------


def test_debug_keys(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("(XEN) 'q' pressed -> old\n(XEN) old\n")
    by_command(
        program,
        debug_keys=f"printf \"(XEN) '$2' pressed -> new\\n(XEN) answer $2\\n\" >>{log}",
        dmesg=f"cat {log}",
    )
    assert dom0.xl.debug_keys("qr") == (
        "(XEN) 'q' pressed -> new",
        "(XEN) answer q",
        "(XEN) 'r' pressed -> new",
        "(XEN) answer r",
    )


def test_a_key_without_an_answer(dom0: Dom0, program: Program) -> None:
    by_command(program, debug_keys="true", dmesg="echo '(XEN) nothing'")
    with pytest.raises(XlError, match="Xen does not answer to debug key 'q'"):
        dom0.xl.debug_keys("q")


@pytest.mark.parametrize("keys", ["R", "qC", "q\n"])
def test_keys_that_are_not_pressed(dom0: Dom0, program: Program, keys: str) -> None:
    file = by_command(program, debug_keys="true", dmesg="echo \"(XEN) 'q' pressed -> x\"")
    with pytest.raises(UsageError, match="is no debug key to press from dom0"):
        dom0.xl.debug_keys(keys)
    assert not file.exists()


# --- PCI devices -------------------------------------------------------------------------------


def test_pci_devices(dom0: Dom0, program: Program) -> None:
    modules, file = program("modprobe"), program("xl")
    dom0.xl.pci_assignable_add("0000:03:00.0")
    dom0.xl.pci_assignable_remove("0000:03:00.0")
    dom0.xl.pci_assignable_remove("0000:03:00.0", rebind=False)
    assert calls(modules) == ["xen-pciback"]
    assert calls(file) == [
        "pci-assignable-add 0000:03:00.0",
        "pci-assignable-remove -r 0000:03:00.0",
        "pci-assignable-remove 0000:03:00.0",
    ]


def test_without_pciback(dom0: Dom0, program: Program) -> None:
    program("modprobe", "modprobe: FATAL: Module xen-pciback not found\n", 1)
    with pytest.raises(ShellError, match="cannot load the module xen-pciback: modprobe: FATAL"):
        dom0.xl.pci_assignable_add("0000:03:00.0")
