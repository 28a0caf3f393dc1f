"""ERIKA's walk-through on a Cubieboard2: a bare-metal guest of xl, and dom0 that asks it for a pin.

The guest and the program of dom0 are built from the source in tests/guests. What they agree on is
in tests/guests/erika/protocol.h.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.build.domu_cfg import IoPages, render_domu_cfg
from harness.formats.xl.domains import Domain
from harness.session import Session
from harness.shell.base import Result
from harness.shell.xen_keys import XenKeys
from harness.toolstack.dom0 import Dom0
from harness.toolstack.silent import ask_why_silent

pytestmark = [
    pytest.mark.board("cubieboard2", "orangepi-pc"),
    pytest.mark.live,
    pytest.mark.guests,
]

NAME = "ERIKA_Enterprise"
MEMORY = 512  # MiB
GREETING = "hello from the bare-metal guest, on the console of xl"
READY = "ready: dom0 may ask for PH20"
LOG = f"/var/log/xen/console/guest-{NAME}.log"
# iomem=["1c20,2"]: the port controller is at 0x01c20800.
PORTS = (IoPages(0x01C20000, 2),)
# PH20, a light of the board: the register's offset from the port controller, and the bit.
RAISED = "pio: unimplemented device write (size 4, offset 0x10c, value 0x00100000)"
LOWERED = "pio: unimplemented device write (size 4, offset 0x10c, value 0x00000000)"


def configuration(kernel: str = "/root/A20.bin", iomem: Sequence[IoPages] = PORTS) -> str:
    """The erika.cfg of the walk-through, and cpus="1" of its chapter on pinning."""
    return render_domu_cfg(
        name=NAME,
        kernel=kernel,
        memory_mib=MEMORY,
        vcpus=1,
        cpus="1",
        on_crash="destroy",
        iomem=iomem,
    )


@pytest.fixture(scope="module")
def old_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The guest as it was linked for Xen 4.4."""
    folder = tmp_path_factory.mktemp("old")
    built: Path = sources().build_erika(folder, start=0x80008000)
    return built.read_bytes()


@pytest.fixture(scope="module")
def tools(dom0: Dom0, old_image: bytes, tmp_path_factory: pytest.TempPathFactory) -> Dom0:
    """dom0 with the guest's images and the program that asks it."""
    build, folder = sources(), tmp_path_factory.mktemp("erika")
    dom0.put("/root/A20.bin", build.build_erika(folder))
    dom0.put("/root/old.bin", old_image)
    dom0.put("/root/erika-pin", build.build_peer(folder), mode=0o755)
    return dom0


@pytest.fixture(scope="class")
def guest(tools: Dom0) -> Iterator[Domain]:
    with started(tools, configuration()) as row:
        wait_for(tools, READY)
        yield row


def sources() -> Any:
    """tests/guests/build.py."""
    return pytest.importorskip(
        "tests.guests.build", reason="the guest's source is in the repository only"
    )


@contextmanager
def started(dom0: Dom0, text: str) -> Iterator[Domain]:
    """A guest that is gone afterwards, whatever it did."""
    dom0.run(f"rm -f {LOG}")
    row = dom0.xl.create(text)
    try:
        yield row
    finally:
        if any(one.id == row.id for one in dom0.xl.list()):
            dom0.xl.destroy(NAME)


def wait_for(dom0: Dom0, text: str) -> list[str]:
    """Lines of the guest's console, with this among them."""
    look = f"for i in $(seq 40); do grep -qF {shlex.quote(text)} {LOG} && break; sleep 0.5; done"
    lines = dom0.run(f"{look}; cat {LOG}").lines
    assert any(text in line for line in lines), lines
    return lines


def wait_until_gone(dom0: Dom0, row: Domain) -> None:
    """xl destroys it, as on_crash says; a process of its own in dom0 does, a little later."""
    for _ in range(40):
        if all(one.id != row.id for one in dom0.xl.list()):
            break
        dom0.run("sleep 0.5")
    assert [one.name for one in dom0.xl.list()] == ["Domain-0"]


def pin(dom0: Dom0, words: str) -> Result:
    return dom0.run(f"/root/erika-pin {words}")


def writes(boot: Session) -> list[str]:
    """What was written to the register of the pin, as the emulator saw it."""
    assert boot.run is not None
    trace = boot.run.path / "trace.log"
    if not trace.exists():
        pytest.skip("a real board leaves no trace: look at the light")
    lines = trace.read_text(errors="replace").splitlines()
    return [line for line in lines if line in (RAISED, LOWERED)]


class TestGuest:
    def test_it_is_listed(self, tools: Dom0, guest: Domain) -> None:
        rows = {row.name: row for row in tools.xl.list()}
        assert set(rows) == {"Domain-0", NAME}
        assert rows[NAME].id == guest.id
        assert rows[NAME].memory == MEMORY
        assert rows[NAME].vcpus == 1
        # It sleeps until there is something to do.
        assert "b" in rows[NAME].state

    def test_it_is_pinned(self, tools: Dom0, guest: Domain, xen_keys: XenKeys) -> None:
        rows = tools.xl.run("vcpu-list", NAME).splitlines()
        assert re.search(rf"^{NAME}\s+{guest.id}\s+0\s+1\s+\S+\s+[\d.]+\s+1 / all$", rows[-1])
        of_xen = {domain.domain: domain for domain in xen_keys.domains()}
        assert [vcpu.hard for vcpu in of_xen[guest.id].vcpus] == [(1,)]

    def test_xl_console_shows_its_greeting(self, tools: Dom0, guest: Domain) -> None:
        del guest
        said = tools.run(f"PATH=$PATH:$(echo /usr/lib/xen-*/bin) timeout 5 xl console {NAME}")
        assert GREETING in said.lines

    def test_dom0_keeps_what_it_says(self, tools: Dom0, guest: Domain) -> None:
        lines = tools.run(f"cat {LOG}").lines
        assert lines[:2] == [GREETING, f"I am {NAME}, domain {guest.id}"]  # XenStore, read

    def test_it_answers_on_its_console(self, tools: Dom0, guest: Domain) -> None:
        terminal = tools.xenstore.read(f"/local/domain/{guest.id}/console/tty")
        tools.run(f"echo ping >{terminal}")
        wait_for(tools, "you said: ping")

    def test_it_writes_to_xenstore_what_is_its_own(self, tools: Dom0, guest: Domain) -> None:
        below = f"/local/domain/{guest.id}/data/erika"
        assert tools.xenstore.read(f"{below}/state") == "ready"
        assert int(tools.xenstore.read(f"{below}/grant-ref")) >= 8  # those below are reserved
        assert int(tools.xenstore.read(f"{below}/event-channel")) > 0
        # Nobody else was let in: the guest is the owner, and the others have no rights.
        listed = tools.run(f"xenstore-ls -p {below}").lines
        assert all(line.endswith(f"(n{guest.id})") for line in listed)

    def test_and_nothing_else(self, tools: Dom0, guest: Domain) -> None:
        del guest
        wait_for(tools, "XenStore: /local/erika refused: EACCES")

    def test_dom0_sets_the_pin(self, boot: Session, tools: Dom0, guest: Domain) -> None:
        del guest
        before = len(writes(boot))
        assert pin(tools, "set 1").status == 0
        assert writes(boot)[before:] == [RAISED]
        assert pin(tools, "get 2>/dev/null").output == "1"
        assert pin(tools, "set 0").status == 0
        assert writes(boot)[before:] == [RAISED, LOWERED]
        assert pin(tools, "get 2>/dev/null").output == "0"
        assert tools.run(f"grep PH20 {LOG} | tail -2").lines == ["PH20 raised", "PH20 lowered"]

    @pytest.mark.parametrize("words", ["", "set", "set 2", "get 1", "raise"])
    def test_what_is_no_command(self, tools: Dom0, guest: Domain, words: str) -> None:
        del guest
        answer = pin(tools, words)
        assert answer.status == 2
        assert "usage:" in answer.output

    def test_a_guest_that_does_not_answer(self, tools: Dom0, guest: Domain) -> None:
        """And meanwhile nobody else may ask: the event channel has one other end."""
        del guest
        tools.xl.run("pause", NAME)
        # The first is stopped while it is connected, so that no clock decides who comes when.
        answer = tools.run(
            "(/root/erika-pin get & p=$!;"
            " until ls -l /proc/$p/fd | grep -q evtchn; do [ -d /proc/$p ] || break; done;"
            " kill -STOP $p; /root/erika-pin get; echo second $?;"
            " kill -CONT $p; wait $p; echo first $?)"
        )
        tools.xl.run("unpause", NAME)
        assert "the guest does not answer" in answer.output
        assert "another erika-pin may be at it" in answer.output
        assert {"first 1", "second 1"} <= set(answer.lines)
        assert pin(tools, "set 0").status == 0


def test_a_crash_ends_as_on_crash_says(tools: Dom0) -> None:
    with started(tools, configuration()) as row:
        wait_for(tools, READY)
        assert pin(tools, "crash").status == 0
        wait_for(tools, "dom0 asks for a crash")
        wait_until_gone(tools, row)
    log = tools.run(f"cat /var/log/xen/xl-{NAME}.log").output
    assert f"Domain {row.id} has shut down, reason code 3" in log
    assert "Action for shutdown reason code 3 is destroy" in log


def test_destroyed_it_is_gone(tools: Dom0) -> None:
    with started(tools, configuration()) as row:
        wait_for(tools, READY)
        tools.xl.destroy(NAME)
        wait_until_gone(tools, row)
    answer = pin(tools, "get")
    assert answer.status == 1
    assert "no domain offers a pin" in answer.output


def test_xenstore_chmod_opens_local_to_all(tools: Dom0) -> None:
    """What the walk-through asks for; the guest of today needs it no more."""
    tools.run("xenstore-chmod /local b")
    try:
        with started(tools, configuration()):
            wait_for(tools, "XenStore: /local/erika written")
            assert tools.xenstore.read("/local/erika") == "was here"
    finally:
        tools.run("xenstore-rm /local/erika; xenstore-chmod /local n0")


def test_without_iomem_the_pin_is_not_there(tools: Dom0) -> None:
    with started(tools, configuration(iomem=())) as row:
        wait_for(tools, READY)
        assert pin(tools, "set 1").status == 1
        lines = wait_for(tools, "bare-metal guest crashed: data abort")
        assert lines[-1].endswith("address 0x01c2090c")
        wait_until_gone(tools, row)


def test_linked_for_xen_4_4_it_is_silent_and_we_say_why(
    tools: Dom0, old_image: bytes, xen_keys: XenKeys
) -> None:
    with started(tools, configuration(kernel="/root/old.bin")) as row:
        before = next(one for one in tools.xl.list() if one.id == row.id)
        silence = ask_why_silent(xen_keys, row.id, old_image, MEMORY)
        after = next(one for one in tools.xl.list() if one.id == row.id)
        assert "r" in after.state
        assert after.seconds > before.seconds
        assert tools.run(f"cat {LOG}").output.strip() in (
            "",
            f"cat: {LOG}: No such file or directory",
        )
    assert silence is not None
    assert "linked to 0x80008000, where this guest has no memory" in silence.cause
    assert "vector of prefetch aborts" in silence.seen
