from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bootlog import STAGES, BootLog, BootLogParser, Line, LineAssembler
from harness.rules import (
    Expectation,
    Fact,
    InOrder,
    MustNotSay,
    MustSay,
    Outcome,
    Scope,
    version_in,
)
from harness.verdict import Ending, EndKind, Kind, Verdict, judge

UP_TO_SMP = """\
SeaBIOS (version 1.16.2)
iPXE initialising devices...ok
(XEN) Xen version 4.17.7 (Debian 4.17.7+13-g2445b30a44-0+deb12u1) (x) debug=n Sat
(XEN) ACPI: RSDP 000F59E0, 0014 (r0 BOCHS )
(XEN) I/O virtualisation enabled
(XEN) Brought up 4 CPUs
"""
WHOLE = (
    UP_TO_SMP
    + """\
(XEN) *** Building a PV Dom0 ***
[    0.000000] Linux version 6.1.0-47-amd64
[    1.500000] Run /init as init process
apu2 login: """
)
PANIC = """\
(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----
(XEN) CPU:    2
(XEN) RIP:    e008:[<ffff82d0402f1d2c>] mwait_idle.c#mwait_idle_with_hints+0x7c/0x160
(XEN) Panic on CPU 2:
(XEN) FATAL TRAP: vec 6, #UD[0000]
(XEN) ****************************************
"""
AGAIN = "SeaBIOS (version 1.16.2)\n"
POWER_OFF = "[    9.000000] reboot: Power down\n"

SAYS_XEN = MustSay("says-xen", re.compile("Xen version"), "a boot of Xen says so")


def read(text: str) -> tuple[BootLog, list[Line], str]:
    assembler = LineAssembler()
    lines = assembler.feed(text.encode(), None)
    parser = BootLogParser()
    for line in lines:
        parser.feed(line)
    parser.see_partial(assembler.partial)
    return parser.log, lines, assembler.partial


def judged(
    text: str, *expectations: Expectation, ending: Ending | EndKind = "goal", goal: str = "login"
) -> Verdict:
    log, lines, partial = read(text)
    return judge(
        log,
        lines,
        partial,
        stages=STAGES["x86"],
        goal=goal,
        expectations=expectations,
        ending=ending if isinstance(ending, Ending) else Ending(ending, f"detail of {ending}"),
    )


def outcome(text: str, expectation: Expectation, goal: str = "login") -> Outcome:
    (only,) = judged(text, expectation, goal=goal).outcomes
    assert only.id == expectation.id
    return only


# --- endings and logs --------------------------------------------------------------------------

# Ending -> what it makes of a boot that reached the goal, and of one that did not.
TABLE: dict[EndKind, tuple[Kind | None, Kind | None]] = {
    "goal": (Kind.PASS, Kind.INCOMPLETE),
    "log-end": (Kind.PASS, Kind.INCOMPLETE),
    "silence": (Kind.HUNG, Kind.HUNG),
    "deadline": (Kind.FAIL, Kind.FAIL),
    "guest-reset": (Kind.CRASHED, Kind.CRASHED),
    "guest-panic": (Kind.CRASHED, Kind.CRASHED),
    "guest-shutdown": (Kind.FAIL, Kind.FAIL),
    "died": (Kind.DIED, Kind.DIED),
    "infra": (Kind.INFRA, Kind.INFRA),
    "interrupted": (Kind.INFRA, Kind.INFRA),
    "refused": (Kind.FAIL, Kind.FAIL),
    "shell": (Kind.FAIL, Kind.FAIL),
    # The console stops at a panic or a reset only, which these logs do not have.
    "stopped": (None, None),
}


def test_the_table_has_every_ending() -> None:
    assert set(TABLE) == set(get_args(EndKind))


@pytest.mark.parametrize("ending", TABLE)
def test_what_an_ending_makes_of_a_boot(ending: EndKind) -> None:
    whole, cut = TABLE[ending]
    if whole is not None:
        assert judged(WHOLE, SAYS_XEN, ending=ending).kind is whole
    if cut is not None:
        assert judged(UP_TO_SMP, SAYS_XEN, ending=ending).kind is cut


@pytest.mark.parametrize("ending", TABLE)
def test_a_panic_beats_every_ending(ending: EndKind) -> None:
    verdict = judged(UP_TO_SMP + PANIC, SAYS_XEN, ending=ending)
    assert verdict.kind is Kind.CRASHED
    assert "on CPU 2" in verdict.cause
    assert "mwait_idle_with_hints+0x7c/0x160" in verdict.cause
    assert "FATAL TRAP: vec 6" in verdict.cause
    assert judged(WHOLE + "\n" + PANIC, SAYS_XEN, ending=ending).kind is Kind.CRASHED


@pytest.mark.parametrize("ending", TABLE)
def test_a_reset_beats_every_ending(ending: EndKind) -> None:
    verdict = judged(UP_TO_SMP + AGAIN, SAYS_XEN, ending=ending)
    assert verdict.kind is Kind.CRASHED
    assert "a reset that nobody asked for" in verdict.cause
    assert "7: SeaBIOS (version 1.16.2)" in verdict.context


@pytest.mark.parametrize("ending", TABLE)
def test_a_board_that_switches_itself_off_has_failed(ending: EndKind) -> None:
    verdict = judged(WHOLE + "\n" + POWER_OFF, SAYS_XEN, ending=ending)
    assert verdict.kind is Kind.FAIL
    assert verdict.cause == "the board switched itself off: reboot: Power down"


def test_a_panic_that_ends_in_a_reset_is_named_and_not_the_reset() -> None:
    verdict = judged(UP_TO_SMP + PANIC + AGAIN, ending="stopped")
    assert "FATAL TRAP" in verdict.cause


@pytest.mark.parametrize("ending", ["silence", "died", "infra", "deadline", "refused", "shell"])
def test_an_ending_beats_a_failed_expectation(ending: EndKind) -> None:
    wrong = MustNotSay("quiet", re.compile("Brought up"), "w")
    verdict = judged(WHOLE, SAYS_XEN, wrong, ending=ending)
    assert verdict.kind is TABLE[ending][0]
    assert [o.id for o in verdict.failed] == ["quiet"]


def test_a_failed_expectation_beats_the_goal_and_the_missing_goal() -> None:
    wrong = MustNotSay("quiet", re.compile("Brought up"), "it should not")
    for text in (WHOLE, UP_TO_SMP):
        verdict = judged(text, SAYS_XEN, wrong)
        assert verdict.kind is Kind.FAIL
        assert verdict.cause == "quiet: '(XEN) Brought up 4 CPUs': it should not"


def test_the_first_cause_is_the_earliest_line() -> None:
    late = MustNotSay("late", re.compile("Linux version"), "w")
    early = MustNotSay("early", re.compile("virtualisation"), "w")
    nowhere = MustSay("nowhere", re.compile("not in this log"), "w")
    verdict = judged(WHOLE, nowhere, late, early)
    assert [o.id for o in verdict.failed] == ["nowhere", "late", "early"]
    assert verdict.cause.startswith("early: ")
    assert "5: (XEN) I/O virtualisation enabled" in verdict.context
    # What was not said has no line; it is the cause only when nothing else is.
    assert judged(WHOLE, nowhere).cause.startswith("nowhere: ")


def test_of_two_panics_the_first_is_the_cause() -> None:
    second = PANIC.replace("CPU 2", "CPU 3").replace("CPU:    2", "CPU:    3")
    verdict = judged(UP_TO_SMP + PANIC + second, ending="stopped")
    assert "on CPU 2" in verdict.cause


def test_a_reset_before_a_panic_is_the_first_cause() -> None:
    verdict = judged(UP_TO_SMP + AGAIN + UP_TO_SMP + PANIC, ending="stopped")
    assert "a reset that nobody asked for" in verdict.cause


# --- PASS is earned ----------------------------------------------------------------------------


def test_nothing_at_all_is_incomplete() -> None:
    verdict = judged("", ending="log-end")
    assert verdict.kind is Kind.INCOMPLETE
    assert (verdict.stage, verdict.next_stage) == (None, "firmware")
    assert (verdict.last_line, verdict.partial_line, verdict.context) == ("", "", ())


def test_without_a_judged_expectation_nothing_passes() -> None:
    elsewhere = MustSay("other", re.compile("x"), "w", Scope(xen="<4.13"))
    for expectations in ((), (elsewhere,)):
        verdict = judged(WHOLE, *expectations)
        assert verdict.kind is Kind.INCOMPLETE
        assert "no expectation could be judged" in verdict.cause


def test_a_pass_says_on_what_it_rests() -> None:
    verdict = judged(WHOLE, SAYS_XEN, ending="goal")
    assert verdict.kind is Kind.PASS
    assert verdict.cause == "stage login reached; 1 expectations met"
    assert verdict.context == ()
    assert (verdict.stage, verdict.next_stage) == ("login", None)


def test_the_goal_may_be_an_early_stage() -> None:
    assert judged(UP_TO_SMP, SAYS_XEN, goal="smp").kind is Kind.PASS
    assert judged(UP_TO_SMP, SAYS_XEN, goal="dom0-build").kind is Kind.INCOMPLETE
    # A goal that was passed without being seen was reached.
    without = UP_TO_SMP.replace("(XEN) I/O virtualisation enabled\n", "")
    assert judged(without, SAYS_XEN, goal="iommu").kind is Kind.PASS


def test_virtualisation_enabled_is_not_a_pass() -> None:
    head = UP_TO_SMP[: UP_TO_SMP.index("(XEN) Brought")]
    verdict = judged(head, SAYS_XEN, ending="log-end")
    assert verdict.kind is Kind.INCOMPLETE
    assert (verdict.stage, verdict.next_stage) == ("iommu", "smp")


@given(
    cut=st.integers(0, len(WHOLE)),
    ending=st.sampled_from([k for k in TABLE if k != "stopped"]),
    goal=st.sampled_from(STAGES["x86"]),
    expectations=st.lists(
        st.sampled_from([SAYS_XEN, MustNotSay("quiet", re.compile("Brought up"), "w")])
    ),
)
def test_no_log_passes_by_chance(
    cut: int, ending: EndKind, goal: str, expectations: list[Expectation]
) -> None:
    verdict = judged(WHOLE[:cut], *expectations, ending=ending, goal=goal)
    if verdict.kind is Kind.PASS:
        stages = STAGES["x86"]
        assert verdict.stage is not None
        assert stages.index(verdict.stage) >= stages.index(goal)
        assert not verdict.failed
        assert any(o.state == "met" for o in verdict.outcomes)
        assert ending in {"goal", "log-end"}


# --- hangs -------------------------------------------------------------------------------------


def test_a_hang_names_stage_and_partial_line_and_what_went_wrong_before() -> None:
    wrong = MustNotSay("quiet", re.compile("Brought up"), "it should not")
    verdict = judged(UP_TO_SMP + "(", wrong, ending=Ending("silence", "silent for 20 s"))
    assert verdict.kind is Kind.HUNG
    assert verdict.cause == (
        "after smp: silent for 20 s; the last line is unfinished: '('; "
        "before that, quiet: '(XEN) Brought up 4 CPUs': it should not"
    )
    assert verdict.partial_line == "("
    assert verdict.last_line == "(XEN) Brought up 4 CPUs"
    assert (verdict.stage, verdict.next_stage) == ("smp", "dom0-build")


def test_a_recorded_hang_needs_a_proof() -> None:
    ending = Ending("log-end", proof="the user vouches for 60 s of silence")
    verdict = judged(UP_TO_SMP, SAYS_XEN, ending=ending)
    assert verdict.kind is Kind.HUNG
    assert "the user vouches" in verdict.cause
    assert judged(UP_TO_SMP, SAYS_XEN, ending="log-end").kind is Kind.INCOMPLETE
    # A log that is silent at its goal is a log of a boot that worked.
    assert judged(WHOLE, SAYS_XEN, ending=ending).kind is Kind.PASS


def test_a_hang_before_the_first_stage() -> None:
    assert judged("", ending="silence").cause.startswith("after no stage: ")


# --- context -----------------------------------------------------------------------------------


def test_context_is_the_lines_around_the_cause() -> None:
    text = "".join(f"line {i}\n" for i in range(1, 31))
    verdict = judged(text, MustNotSay("x", re.compile("^line 12$"), "w"))
    assert verdict.context == tuple(f"{i}: line {i}" for i in range(7, 18))


def test_without_a_line_of_its_own_a_cause_has_the_last_lines() -> None:
    text = "".join(f"line {i}\n" for i in range(1, 31))
    verdict = judged(text, ending="died")
    assert verdict.context == tuple(f"{i}: line {i}" for i in range(25, 31))


def test_the_last_line_is_the_last_that_the_board_said() -> None:
    said = UP_TO_SMP + "\n   \nqemu-system-x86_64: terminating on signal 15 from pid 1 (timeout)\n"
    assert judged(said, ending="log-end").last_line == "(XEN) Brought up 4 CPUs"


# --- expectations ------------------------------------------------------------------------------


def test_must_say() -> None:
    rule = MustSay("r", re.compile(r"Brought up \d+ CPUs"), "why not")
    assert outcome(WHOLE, rule) == Outcome("r", "met", "(XEN) Brought up 4 CPUs", 6)
    without = WHOLE.replace("Brought up", "Left down")
    failed = outcome(without, rule)
    assert failed.state == "failed"
    assert "why not" in failed.detail
    assert outcome(UP_TO_SMP.replace("Brought", "Left"), rule).state == "not judged"


def test_must_not_say() -> None:
    rule = MustNotSay("r", re.compile("Brought up"), "why not", Scope("smp"))
    failed = outcome(UP_TO_SMP, rule)
    assert (failed.state, failed.line) == ("failed", 6)
    assert "why not" in failed.detail
    without = WHOLE.replace("Brought up", "Left down")
    assert outcome(without, rule).state == "met"
    # Before its stage was passed, that it was not said proves nothing.
    head = UP_TO_SMP[: UP_TO_SMP.index("(XEN) Brought")]
    assert outcome(head, rule).state == "not judged"
    assert "smp was passed" in outcome(head, rule).detail


def test_a_stage_is_passed_when_a_later_one_is_reached() -> None:
    rule = MustSay("r", re.compile("not there"), "w", Scope("smp"))
    assert outcome(UP_TO_SMP, rule).state == "not judged"
    assert outcome(UP_TO_SMP + "(XEN) *** Building a PV Dom0 ***\n", rule).state == "failed"


def test_in_order() -> None:
    patterns = [re.compile(p) for p in ("Xen version", "Brought up", "Linux version")]
    assert outcome(WHOLE, InOrder("r", tuple(patterns), "w")).state == "met"
    swapped = outcome(WHOLE, InOrder("r", tuple(reversed(patterns)), "why not"))
    assert swapped.state == "failed"
    assert "'Brought up' did not come in its place: why not" in swapped.detail
    assert outcome(UP_TO_SMP, InOrder("r", tuple(patterns), "w")).state == "not judged"
    # One line is not two.
    twice = InOrder("r", (patterns[0], patterns[0]), "w")
    assert outcome(WHOLE, twice).state == "failed"


def cpus(want: int, *, optional: bool = False, grows: bool = False) -> Fact:
    return Fact(
        "r",
        lambda log: log.xen.cpus_brought_up,
        lambda have: have == want,
        f"{want} CPUs",
        "why not",
        Scope("smp"),
        optional,
        grows,
    )


def test_facts() -> None:
    assert outcome(WHOLE, cpus(4)) == Outcome("r", "met", "4")
    assert outcome(WHOLE, cpus(2)).detail == "expected 2 CPUs, it is 4: why not"
    assert outcome(WHOLE, cpus(2)).state == "failed"
    # What was said is final; a list may still grow until its stage is passed.
    assert outcome(UP_TO_SMP, cpus(2)).state == "failed"
    assert outcome(UP_TO_SMP, cpus(2, grows=True)).state == "not judged"
    assert outcome(WHOLE, cpus(2, grows=True)).state == "failed"
    assert outcome(UP_TO_SMP, cpus(4)).state == "met"
    silent = WHOLE.replace("(XEN) Brought up 4 CPUs\n", "")
    assert outcome(silent, cpus(4)).detail == "expected 4 CPUs, the log does not say: why not"
    assert outcome(silent, cpus(4)).state == "failed"
    assert outcome(silent, cpus(4, optional=True)).state == "not judged"
    assert outcome(WHOLE, cpus(2, optional=True)).state == "failed"


def test_a_log_that_was_cut_at_its_start_proves_no_absence() -> None:
    late = WHOLE[WHOLE.index("(XEN) *** Building") :]
    patterns = (re.compile("Xen version"), re.compile("Linux version"))
    for rule in (SAYS_XEN, cpus(4), InOrder("r", patterns, "w")):
        assert outcome(late, rule).state == "not judged"
    assert outcome(late, MustNotSay("r", re.compile("Linux version"), "w")).state == "failed"


def test_a_xen_that_was_told_to_be_quiet_proves_no_absence() -> None:
    def booted_with(options: str) -> str:
        start = f"(XEN) Command line: {options}\n(XEN) ACPI"
        return WHOLE.replace("(XEN) ACPI", start).replace("Brought up", "Left down")

    said = MustSay("r", re.compile("Brought up"), "w")
    ordered = InOrder("r", (re.compile("Brought up"), re.compile("Linux version")), "w")
    for rule in (said, ordered, cpus(4)):
        assert outcome(booted_with("loglvl=all com1=115200"), rule).state == "failed"
        assert outcome(booted_with("guest_loglvl=all"), rule).state == "not judged"
    assert "loglvl=all" in outcome(booted_with("x"), said).detail
    quiet = MustNotSay("r", re.compile("Linux version"), "w")
    assert outcome(booted_with("x"), quiet).state == "failed"


# --- versions ----------------------------------------------------------------------------------

NOT_FOUND = "(XEN) AMD-Vi: IOMMU not found!\n"
NOT_IN_4_12 = MustNotSay("r", re.compile("IOMMU not found"), "w", Scope("acpi", "<4.13"))


@pytest.mark.parametrize(
    ("version", "state"), [("4.12.4", "failed"), ("4.13.0", "not judged"), ("4.8.5", "failed")]
)
def test_an_expectation_for_some_versions(version: str, state: str) -> None:
    text = UP_TO_SMP.replace("4.17.7", version).replace("(XEN) I/O", NOT_FOUND + "(XEN) I/O")
    assert outcome(text, NOT_IN_4_12).state == state


def test_without_a_version_it_is_not_judged() -> None:
    text = UP_TO_SMP.replace("Xen version", "Xen").replace("(XEN) I/O", NOT_FOUND + "(XEN) I/O")
    assert outcome(text, NOT_IN_4_12) == Outcome(
        "r", "not judged", "Xen's version is not in the log"
    )


@pytest.mark.parametrize(
    ("version", "wanted", "is_in"),
    [
        ((4, 17, 7), "==4.17", True),
        ((4, 17, 7), ">4.17", False),
        ((4, 17, 7), ">=4.17", True),
        ((4, 17, 7), "<=4.17", True),
        ((4, 8, 3), "<4.13", True),
        ((4, 20), "<4.13", False),
        ((5, 0), ">4.20", True),
        (None, "<4.13", None),
        (None, None, True),
        ((4, 17), None, True),
    ],
)
def test_version_in(
    version: tuple[int, ...] | None, wanted: str | None, is_in: bool | None
) -> None:
    assert version_in(version, wanted) is is_in


NUMBERS = st.tuples(st.integers(0, 99), st.integers(0, 99))


@given(have=NUMBERS, patch=st.integers(0, 99), bound=NUMBERS)
def test_versions_are_ordered_by_number_and_the_patch_does_not_matter(
    have: tuple[int, int], patch: int, bound: tuple[int, int]
) -> None:
    text = f"{bound[0]}.{bound[1]}"
    for version in (have, (*have, patch)):
        assert version_in(version, f"<{text}") is (have < bound)
        assert version_in(version, f"<={text}") is (have <= bound)
        assert version_in(version, f"=={text}") is (have == bound)
        assert version_in(version, f">={text}") is (have >= bound)
        assert version_in(version, f">{text}") is (have > bound)
