from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.devicetree.compare import differences
from harness.devicetree.xen import (
    Chosen,
    CpuPool,
    Domain,
    EventChannel,
    Module,
    Port,
    SharedMemory,
)
from tests.unit.devicetree.test_xen import FULL, KERNEL, RAMDISK

CALLED = ("the card", "U-Boot")


def of_domain(**changes: Any) -> Chosen:
    return replace(FULL, domains=(replace(FULL.domains[0], **changes), FULL.domains[1]))


def test_the_same_is_the_same() -> None:
    assert differences(FULL, FULL) == ()
    assert differences(Chosen(), Chosen()) == ()


@pytest.mark.parametrize(
    "other",
    [
        replace(FULL, modules=tuple(reversed(FULL.modules))),
        replace(
            FULL,
            modules=(
                replace(
                    KERNEL, compatible=("xen,linux-zimage", "xen,multiboot-module"), name="module@0"
                ),
                *FULL.modules[1:],
            ),
        ),
        replace(FULL, bootargs="console=dtuart  "),
        replace(FULL, xen_bootargs="console=dtuart"),
        replace(FULL, cpupools=tuple(reversed(FULL.cpupools))),
        replace(FULL, event_channels=tuple(reversed(FULL.event_channels))),
        of_domain(passthrough=None),  # there is a dtb
        replace(FULL, domains=(FULL.domains[0], replace(FULL.domains[1], passthrough="disabled"))),
    ],
)
def test_another_spelling_is_the_same(other: Chosen) -> None:
    assert differences(FULL, other) == ()
    assert differences(other, FULL) == ()


def test_enhanced_is_disabled_by_default() -> None:
    a, b = (Chosen(domains=(Domain("d", 1, 1, enhanced=word),)) for word in (None, "disabled"))
    assert differences(a, b) == ()


@pytest.mark.parametrize(
    ("other", "sentences"),
    [
        (
            replace(FULL, modules=(replace(KERNEL, address=0x4700_0000), *FULL.modules[1:])),
            ["dom0's kernel, address: 0x46000000 in the card, 0x47000000 in U-Boot"],
        ),
        (
            replace(FULL, modules=(replace(KERNEL, size=1), *FULL.modules[1:])),
            ["dom0's kernel, size: 0x532200 in the card, 0x1 in U-Boot"],
        ),
        (
            replace(FULL, modules=(KERNEL, FULL.modules[2])),
            ["dom0's ramdisk: only in the card: 0xd7e8f bytes at 0x4a000000"],
        ),
        (
            replace(FULL, modules=(*FULL.modules, replace(RAMDISK, address=1))),
            ["dom0's ramdisk: only in U-Boot: 0xd7e8f bytes at 0x1"],
        ),
        (
            replace(FULL, dom0_bootargs="console=hvc0 debug"),
            ['dom0\'s command line: console=hvc0 in the card, "console=hvc0 debug" in U-Boot'],
        ),
        (
            replace(FULL, bootargs=None),
            ["Xen's command line: console=dtuart in the card, nothing in U-Boot"],
        ),
        (
            replace(FULL, domains=tuple(reversed(FULL.domains))),
            [
                "domU1, number: DOM1 in the card, DOM2 in U-Boot",
                "domU2, number: DOM2 in the card, DOM1 in U-Boot",
            ],
        ),
        (of_domain(memory_kib=1), ["domU1, memory in KiB: 131072 in the card, 1 in U-Boot"]),
        (of_domain(cpus=1), ["domU1, CPUs: 2 in the card, 1 in U-Boot"]),
        (of_domain(vpl011=False), ["domU1, vpl011: yes in the card, no in U-Boot"]),
        (
            of_domain(enhanced=None),
            ["domU1, xen,enhanced: no-xenstore in the card, disabled in U-Boot"],
        ),
        (of_domain(direct_map=False), ["domU1, direct-map: yes in the card, no in U-Boot"]),
        (
            of_domain(static_mem=()),
            [
                'domU1, static memory: "0x8000000 bytes at 0x60000000" in the card, '
                "nothing in U-Boot"
            ],
        ),
        (of_domain(nr_spis=None), ["domU1, nr_spis: 64 in the card, nothing in U-Boot"]),
        (
            of_domain(p2m_mem_mb=None),
            ["domU1, xen,domain-p2m-mem-mb: 3 in the card, nothing in U-Boot"],
        ),
        (of_domain(max_grant_version=2), ["domU1, max_grant_version: 1 in the card, 2 in U-Boot"]),
        (of_domain(max_grant_frames=2), ["domU1, max_grant_frames: 32 in the card, 2 in U-Boot"]),
        (
            of_domain(max_maptrack_frames=2),
            ["domU1, max_maptrack_frames: 1024 in the card, 2 in U-Boot"],
        ),
        (of_domain(llc_colors=None), ["domU1, llc-colors: 0-3 in the card, nothing in U-Boot"]),
        (
            of_domain(passthrough="disabled"),
            ["domU1, passthrough: enabled in the card, disabled in U-Boot"],
        ),
        (of_domain(extra={}), ["domU1, sve: 00 00 00 80 in the card, nothing in U-Boot"]),
        (
            of_domain(cpupool=None),
            [
                'domU1, CPUs of its cpupool: "/cpus/cpu@1, /cpus/cpu@2" in the card, '
                "nothing in U-Boot"
            ],
        ),
        (
            of_domain(modules=(Module("kernel", 1, 0x1000), FULL.domains[0].modules[1])),
            [
                "domU1's kernel, address: 0x4c000000 in the card, 0x1 in U-Boot",
                "domU1's command line: earlycon in the card, nothing in U-Boot",
            ],
        ),
        (
            of_domain(shared_memory=(SharedMemory("ring", 0x5000_0000, 0x1000, None, "borrower"),)),
            [
                "domU1's shared memory: only in the card: ring, 0x1000 bytes at 0x50000000, "
                "host 0x70000000, borrower",
                "domU1's shared memory: only in U-Boot: ring, 0x1000 bytes at 0x50000000, "
                "host by Xen, borrower",
            ],
        ),
        (
            replace(FULL, event_channels=FULL.event_channels[:1]),
            ["event channel: only in the card: port 12 of domU1 to port 13 of domU2"],
        ),
        (
            replace(FULL, static_heap=()),
            ["static heap: only in the card: 0x1000000 bytes at 0x78000000"],
        ),
        (
            replace(FULL, cpupools=(FULL.cpupools[0], CpuPool("rest", ("/cpus/cpu@0",), "rtds"))),
            [
                "cpupool: only in the card: /cpus/cpu@0, scheduler by default",
                "cpupool: only in U-Boot: /cpus/cpu@0, scheduler rtds",
            ],
        ),
        (
            replace(FULL, shared_memory=()),
            [
                "dom0's shared memory: only in the card: ring, 0x1000 bytes at 0x70000000, "
                "host 0x70000000, owner"
            ],
        ),
    ],
)
def test_a_difference_is_said_in_words(other: Chosen, sentences: list[str]) -> None:
    assert list(differences(FULL, other, called=CALLED)) == sentences


def test_a_domain_that_is_missing_is_the_only_news_of_it() -> None:
    assert differences(FULL, replace(FULL, domains=FULL.domains[:1]), called=CALLED) == (
        "domain: only in the card: domU2",
    )


def test_nodes_of_a_domain_that_we_do_not_know_count() -> None:
    (sentence,) = differences(FULL, of_domain(nodes=()), called=CALLED)
    assert sentence.startswith("domU1's nodes: only in the card: ")
    assert "xen,vcpu" in sentence


def test_the_ends_of_an_event_channel_have_no_order() -> None:
    a = EventChannel((Port("domU1", 1), Port("", 2)))
    assert a == EventChannel((Port("", 2), Port("domU1", 1)))
