"""A bare-metal guest on a Cubieboard2: beside dom0, without one, and dom0 on CPUs of its own.

Each of these is a boot of its own, of a variant of the board. The guest is built from the source
in tests/guests with Debian's cross compiler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.board import Board, load
from harness.boot import booted
from harness.request import BootRequest
from harness.session import Session
from harness.verdict import Kind

pytestmark = [pytest.mark.board("cubieboard2"), pytest.mark.live]

GREETING = "hello from the bare-metal guest, DTB at 0x[0-9a-f]+ [(]valid[)]"
# PH20, a light of the board: the register's offset from the page, and the bit.
GPIO = "pio: unimplemented device write (size 4, offset 0x10c, value 0x00100000)"


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The guest's image and the tree with its device."""
    build = pytest.importorskip(
        "tests.guests.build", reason="the guest's source is in the repository only"
    )
    folder = tmp_path_factory.mktemp("guest")
    return {
        "domU1-kernel": str(build.build_guest(folder)),
        "domU1-dtb": str(build.build_gpio_tree(folder)),
    }


def greeted(name: str) -> Board:
    """A board whose boot waits for the guest's greeting."""
    board = load(name)
    (guest,) = board.domains
    guest = guest.model_copy(update={"greeting": GREETING, "cmdline": "gpio"})
    return board.model_copy(update={"domains": (guest,)})


@pytest.fixture(scope="module")
def asked(request: pytest.FixtureRequest, _harness_board: str) -> Callable[..., BootRequest]:
    """A boot with the options of this pytest run, of another board."""
    scale = float(request.config.getoption("--deadline-scale"))

    def ask(board: Board, **more: object) -> BootRequest:
        return replace(BootRequest(board, scale=scale), **more)  # type: ignore[arg-type]  # fields

    return ask


def passed(session: Session) -> Session:
    assert session.verdict.kind is Kind.PASS, session.verdict.cause
    return session


def seen(session: Session, pattern: str) -> str:
    """The first line with this, waited for; the guest talks on."""
    text = re.compile(pattern)
    end = session.console.now + 30 * (session.clock.stretch() if session.clock else 1)
    while session.console.now < end:
        for line in session.console.lines:
            if text.search(line.text):
                return line.text
        session.console.pump_checked(0.2)
    pytest.fail(f"no line {pattern!r}")


@pytest.fixture(scope="module")
def beside(asked: Callable[..., BootRequest], uses: Mapping[str, str]) -> Iterator[Session]:
    with booted(asked(greeted("cubieboard2-dom0less"), uses=uses)) as session:
        yield passed(session)


@pytest.fixture(scope="module")
def alone(asked: Callable[..., BootRequest], uses: Mapping[str, str]) -> Iterator[Session]:
    with booted(asked(greeted("cubieboard2-without-dom0"), uses=uses)) as session:
        yield passed(session)


@pytest.fixture(scope="module")
def pinned(asked: Callable[..., BootRequest], board: Board) -> Iterator[Session]:
    edits = "dom0_max_vcpus=2 +dom0_vcpus_pin"
    with booted(asked(board, xen_edits=edits)) as session:
        yield passed(session)


class TestBesideDom0:
    def test_it_greets_on_its_own_uart(self, beside: Session) -> None:
        assert seen(beside, GREETING).startswith("(XEN) DOM1: ")

    def test_it_writes_to_the_pin(self, beside: Session) -> None:
        seen(beside, "tick 1")
        assert beside.run is not None
        assert GPIO in (beside.run.path / "trace.log").read_text()

    def test_its_timer_ticks(self, beside: Session) -> None:
        seen(beside, r"DOM1: .*tick 5")

    def test_it_is_as_the_profile_asked(self, beside: Session) -> None:
        states = {outcome.id: outcome.state for outcome in beside.verdict.outcomes}
        assert states["domains.domU1.built"] == "met"
        assert states["domains.domU1.greeting"] == "met"
        assert states["built.modules"] == "met"

    def test_what_is_typed_reaches_it(self, beside: Session) -> None:
        with beside.xen_input.owned_by("DOM1"):
            beside.console.send("ping\r")
            # Xen prints the domain that owns the input without its name.
            seen(beside, "you said: ping")

    def test_dom0_runs_beside_it(self, beside: Session) -> None:
        assert beside.dom0.run("cat /sys/hypervisor/type").output == "xen"
        assert {domain.domain for domain in beside.xen_keys.domains()} == {0, 1}


class TestWithoutDom0:
    def test_it_greets(self, alone: Session) -> None:
        assert seen(alone, GREETING).startswith("(XEN) DOM1: ")

    def test_xen_got_its_command_line(self, alone: Session) -> None:
        """Without dom0, Xen does not read bootargs."""
        assert alone.console.parser.log.xen.cpus_brought_up == 2

    def test_there_is_no_dom0(self, alone: Session) -> None:
        assert {domain.domain for domain in alone.xen_keys.domains()} == {1}


class TestPinnedDom0:
    def test_it_has_two_cpus(self, pinned: Session) -> None:
        assert pinned.dom0.run("nproc").output == "2"

    def test_each_is_on_one_of_its_own(self, pinned: Session) -> None:
        (dom0,) = pinned.xen_keys.domains()
        assert [vcpu.hard for vcpu in dom0.vcpus] == [(0,), (1,)]


def test_the_boards_own_loader_shows_the_layout_of_the_card(
    asked: Callable[..., BootRequest], board: Board
) -> None:
    """The boot ROM finds it at 8 KiB; the machine that stands in lacks its PMIC."""
    with booted(asked(board, own=True, until="spl")) as session:
        passed(session)
        assert session.result["stand_in"]["substituted"] == ["cpus"]
        assert session.findings == ()  # its script, its tree and its files
        assert Path(session.result["binaries"]["uboot"]["file"]).parent.name == "Cubieboard2"
