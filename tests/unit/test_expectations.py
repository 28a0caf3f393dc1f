from __future__ import annotations

import json
from typing import Any

import pytest

from harness.board import Board
from harness.bootlog import STAGES, BootLogParser, LineAssembler
from harness.expectations import Built, expectations
from harness.rules import Expectation, Fact, InOrder, MustNotSay, MustSay
from harness.verdict import Ending, Kind, judge

LOG = """\
SeaBIOS (version 1.16.2)
iPXE initialising devices...ok
net0: 00:0d:b9:43:3f:bc using 82574l on 0000:01:00.0 (Ethernet) [open]
Configuring (net0 00:0d:b9:43:3f:bc)...... ok
(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1) (m@x) (gcc) debug=n Sat
(XEN) Command line:  loglvl=all com1=115200,8n1   console=com1 iommu=verbose
(XEN) CPU Vendor: AMD, Family 22 (0x16), Model 48 (0x30), Stepping 1 (raw 00730f01)
(XEN) System RAM: 4079MB (4177480kB)
(XEN) ACPI: RSDP 000F59E0, 0014 (r0 BOCHS )
(XEN) ACPI: IOAPIC (id[0x04] address[0xfec00000] gsi_base[0])
(XEN) ACPI: IOAPIC (id[0x05] address[0xfec20000] gsi_base[24])
(XEN) ACPI: HPET id: 0x10228201 base: 0xfed00000
(XEN) I/O virtualisation enabled
(XEN) Interrupt remapping enabled
(XEN) Brought up 4 CPUs
(XEN) PCI add device 0000:00:00.0
(XEN) PCI add device 0000:01:00.0
(XEN) *** Building a PV Dom0 ***
[    0.000000] Linux version 6.1.0-47-amd64 (m@x) #1 SMP
[    0.000000] Command line: console=hvc0 earlyprintk=xen
[    1.500000] Run /init as init process
apu2 login: """

PROFILE: dict[str, Any] = {
    "schema": 1,
    "name": "some",
    "title": "Some board",
    "arch": "x86_64",
    "identity": {
        "vendor": "v",
        "model": "m",
        "soc": "s",
        "firmware": "f",
        "nic_mac_prefix": "00:0d:b9",
    },
    "console": {"port": "com1"},
    "boot": {"method": "multiboot"},
    "xen": {"cmdline": ""},
    "dom0": {"cmdline": "", "hostname": "some"},
    "binaries": {},
    "hardware": {
        "cpu": {"vendor": "AMD", "family": 22, "model": 48, "stepping": 1, "count": 4},
        "memory_mib": 4096,
        "ioapics": [{"id": 4, "address": 0xFEC00000}, {"id": 5, "address": 0xFEC20000}],
        "hpet": {"id": 0x10228201, "address": 0xFED00000},
        "iommu": {"state": "enabled", "interrupt_remapping": True},
        "pci": ["00:00.0", "01:00.0"],
    },
}
BUILT = Built(
    xen_version="4.17.7+13-g2445b30a44-0+deb12u1",
    xen_cmdline="loglvl=all com1=115200,8n1 console=com1 iommu=verbose",
    kernel_release="6.1.0-47-amd64",
    kernel_cmdline="console=hvc0 earlyprintk=xen",
)


def board(**changes: Any) -> Board:
    return Board.model_validate_json(json.dumps({**PROFILE, **changes}))


def states(
    text: str,
    profile: Board,
    *,
    target: str = "board",
    built: Built | None = BUILT,
    goal: str = "login",
) -> dict[str, str]:
    """Expectation -> met, failed or not judged; the verdict must agree."""
    rules = expectations(profile, target, built, goal)
    assembler = LineAssembler()
    lines = assembler.feed(text.encode(), None)
    parser = BootLogParser("x86")
    for line in lines:
        parser.feed(line)
    parser.see_partial(assembler.partial)
    verdict = judge(
        parser.log,
        lines,
        assembler.partial,
        stages=STAGES["x86"],
        goal=goal,
        expectations=rules,
        ending=Ending("goal"),
    )
    found = {o.id: str(o.state) for o in verdict.outcomes}
    assert len(found) == len(rules)
    assert (verdict.kind is Kind.FAIL) == ("failed" in found.values())
    return found


def edited(old: str, new: str) -> str:
    assert LOG.count(old) == 1, old
    return LOG.replace(old, new)


DERIVED = {
    "hardware.cpu",
    "hardware.cpu.count",
    "hardware.memory_mib",
    "hardware.ioapics",
    "hardware.hpet",
    "hardware.iommu.state",
    "hardware.iommu.interrupt_remapping",
    "hardware.pci",
    "identity.nic_mac_prefix",
    "built.xen.version",
    "built.xen.cmdline",
    "built.kernel.release",
    "built.kernel.cmdline",
}


def test_a_boot_as_it_should_be_meets_them_all() -> None:
    assert states(LOG, board()) == dict.fromkeys(DERIVED, "met")


# One changed line of the log, and the one expectation that it breaks.
BROKEN = [
    ("Vendor: AMD,", "Vendor: Intel,", "hardware.cpu"),
    ("Family 22", "Family 23", "hardware.cpu"),
    ("Model 48", "Model 49", "hardware.cpu"),
    ("Stepping 1", "Stepping 2", "hardware.cpu"),
    ("(XEN) CPU Vendor", "(XEN) CPU vendor", "hardware.cpu"),
    ("Brought up 4", "Brought up 3", "hardware.cpu.count"),
    ("Brought up 4 ", "Brought them up ", "hardware.cpu.count"),
    # 97 % of 4096 MiB are 4068474 kB.
    ("(4177480kB)", "(4068473kB)", "hardware.memory_mib"),
    ("(XEN) System RAM", "(XEN) RAM", "hardware.memory_mib"),
    ("id[0x05]", "id[0x01]", "hardware.ioapics"),
    ("0xfec20000", "0xfec10000", "hardware.ioapics"),
    (
        "(XEN) ACPI: IOAPIC (id[0x05] address[0xfec20000] gsi_base[24])\n",
        "",
        "hardware.ioapics",
    ),
    ("0x10228201", "0x8086a201", "hardware.hpet"),
    ("base: 0xfed00000", "base: 0xfed10000", "hardware.hpet"),
    ("(XEN) ACPI: HPET id: 0x10228201 base: 0xfed00000\n", "", "hardware.hpet"),
    ("virtualisation enabled", "virtualisation disabled", "hardware.iommu.state"),
    ("remapping enabled", "remapping disabled", "hardware.iommu.interrupt_remapping"),
    (
        "(XEN) Interrupt remapping enabled\n",
        "",
        "hardware.iommu.interrupt_remapping",
    ),
    ("(XEN) PCI add device 0000:01:00.0\n", "", "hardware.pci"),
    ("add device 0000:01:00.0", "add device 0000:02:00.0", "hardware.pci"),
    ("net0: 00:0d:b9", "net0: 52:54:00", "identity.nic_mac_prefix"),
    ("(net0 00:0d:b9", "(net0 52:54:00", "identity.nic_mac_prefix"),
    ("4.17.7+13", "4.17.7+12", "built.xen.version"),
    (" (Debian 4.17.7+13-g2445b30a44-0+deb12u1)", "", "built.xen.version"),
    ("iommu=verbose", "iommu=debug", "built.xen.cmdline"),
    ("com1=115200,8n1   console=com1", "console=com1 com1=115200,8n1", "built.xen.cmdline"),
    ("(XEN) Command line", "(XEN) No line", "built.xen.cmdline"),
    ("6.1.0-47", "6.1.0-46", "built.kernel.release"),
    ("earlyprintk=xen", "", "built.kernel.cmdline"),
]


@pytest.mark.parametrize(("old", "new", "broken"), BROKEN)
def test_one_changed_line_breaks_one_expectation(old: str, new: str, broken: str) -> None:
    found = states(edited(old, new), board())
    assert {name for name, state in found.items() if state == "failed"} == {broken}


def test_each_has_a_line_that_breaks_it() -> None:
    assert {broken for _, _, broken in BROKEN} == DERIVED


def test_more_memory_and_more_devices_than_promised_are_no_harm() -> None:
    text = edited("(4177480kB)", "(8000000kB)")
    assert states(text, board())["hardware.memory_mib"] == "met"
    text = edited("0000:01:00.0\n", "0000:01:00.0\n(XEN) PCI add device 0000:09:00.0\n")
    assert states(text, board())["hardware.pci"] == "met"


def test_a_boot_without_ipxe_is_not_judged_by_its_macs() -> None:
    text = LOG.replace("00:0d:b9:43:3f:bc", "?")
    assert states(text, board())["identity.nic_mac_prefix"] == "not judged"


def test_what_the_profile_does_not_state_is_not_expected() -> None:
    assert states(LOG, board(hardware={}), built=None) == {"identity.nic_mac_prefix": "met"}
    bare = {**PROFILE["identity"], "nic_mac_prefix": None}
    assert states(LOG, board(hardware={}, identity=bare), built=Built()) == {}


def test_a_target_may_state_facts_of_its_own() -> None:
    machine = {
        "emulator": "q",
        "machine": "m",
        "cpu": "c",
        "smp": 4,
        "memory_mib": 4096,
        "hardware": {"hpet": {"id": 0x8086A201, "address": 0xFED00000}},
    }
    profile = board(targets={"qemu": machine})
    text = edited("0x10228201", "0x8086a201")
    assert states(text, profile, target="qemu")["hardware.hpet"] == "met"
    assert states(text, profile, target="board")["hardware.hpet"] == "failed"
    # What the target does not state is the board's.
    assert states(text, profile, target="qemu")["hardware.ioapics"] == "met"


@pytest.mark.parametrize("state", ["absent", "disabled", "failed"])
def test_a_board_without_a_working_iommu(state: str) -> None:
    hardware = {"iommu": {"state": state, "interrupt_remapping": True}}
    text = {
        "absent": edited("virtualisation enabled", "virtualisation disabled"),
        "disabled": edited("virtualisation enabled", "virtualisation disabled").replace(
            "iommu=verbose", "iommu=off"
        ),
        "failed": edited(
            "(XEN) I/O virtualisation enabled",
            "(XEN) AMD-Vi: Error initialization\n(XEN) I/O virtualisation disabled",
        ),
    }
    for name, log in text.items():
        found = states(log, board(hardware=hardware), built=None)
        assert found["hardware.iommu.state"] == ("met" if name == state else "failed")
        # Remapping is a matter of an IOMMU that works.
        assert "hardware.iommu.interrupt_remapping" not in found


# --- those that a profile writes down ----------------------------------------------------------


def own(goal: str = "login", **fields: Any) -> list[Expectation]:
    profile = board(hardware={}, expectations=[{"id": "x", "why": "w", **fields}])
    return [e for e in expectations(profile, "board", None, goal) if e.id == "x"]


def test_the_forms_of_a_profile() -> None:
    (must,) = own(must="a.c", stage="smp", xen="<4.13")
    assert isinstance(must, MustSay)
    assert must.pattern.pattern == "a.c"
    assert (must.scope.stage, must.scope.xen, must.why) == ("smp", "<4.13", "w")
    (must_not,) = own(must_not="a")
    assert isinstance(must_not, MustNotSay)
    (order,) = own(order=["a", "b"])
    assert isinstance(order, InOrder)
    assert [p.pattern for p in order.patterns] == ["a", "b"]


def test_a_boot_that_stops_early_on_purpose_is_not_held_to_what_comes_later() -> None:
    assert own("smp", must="a") == []
    assert own("smp", must="a", stage="dom0-build") == []
    # Its marker line was seen, so what belongs to it can be judged as far as it was said.
    assert len(own("smp", must="a", stage="smp")) == 1
    assert len(own("smp", must="a", stage="iommu")) == 1
    assert len(own("smp", must_not="a")) == 1
    found = expectations(board(), "board", BUILT, "smp")
    assert {e.id for e in found if isinstance(e, Fact)} == {
        "hardware.cpu",
        "hardware.memory_mib",
        "hardware.iommu.state",
        "hardware.iommu.interrupt_remapping",
        "hardware.ioapics",
        "hardware.hpet",
        "hardware.cpu.count",
        "identity.nic_mac_prefix",
        "built.xen.version",
        "built.xen.cmdline",
    }
    head = LOG[: LOG.index("(XEN) PCI add")]
    assert set(states(head, board(), goal="smp").values()) == {"met"}
