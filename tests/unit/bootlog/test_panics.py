from __future__ import annotations

from harness.bootlog import BootLogParser, Line, Panic


def panics(*texts: str) -> tuple[Panic, ...]:
    parser = BootLogParser()
    for number, text in enumerate(texts, 1):
        parser.feed(Line(text, 1.5, number))
    return parser.log.panics


DUMP = [
    "(XEN) ----[ Xen-4.17.7  x86_64  debug=n  Not tainted ]----",
    "(XEN) CPU:    1",
    "(XEN) RIP:    e008:[<ffff82d04027de30>] foo+0x1/0x2",
    "(XEN) Xen call trace:",
    "(XEN)    [<ffff82d04027de30>] R foo+0x1/0x2",
    "(XEN)    [<ffff82d04027e412>] S bar.c#baz+0x3/0x4",
]


def test_a_dump_that_nobody_asked_for_is_a_panic_before_its_reason_comes() -> None:
    (panic,) = panics(*DUMP)
    assert (panic.kind, panic.cpu, panic.rip) == ("xen panic", 1, "foo+0x1/0x2")
    assert panic.rip_address == 0xFFFF82D04027DE30
    assert panic.call_trace == ("foo+0x1/0x2", "bar.c#baz+0x3/0x4")
    assert (panic.reason, panic.first_line, panic.last_line, panic.at) == ((), 1, 6, 1.5)


def test_a_dump_that_was_asked_for_is_none() -> None:
    assert panics("(XEN) *** Dumping CPU1 host state: ***", *DUMP) == ()
    assert panics("(XEN) Xen WARN at common/foo.c:12", *DUMP) == ()
    assert panics("(XEN) Domain 3 (vcpu#0) crashed on cpu#1:", *DUMP) == ()


def test_the_registers_of_dom0_that_a_debug_key_has_printed_are_no_panic() -> None:
    pressed = ("(XEN) '0' pressed -> dumping Dom0's registers",)
    dump = ("(XEN) *** Dumping Dom0 vcpu#0 state: ***", *DUMP)
    assert panics(*pressed, *dump, *dump) == ()
    switched = ("(XEN) *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)",)
    assert len(panics(*pressed, *dump, *switched, *dump)) == 1
    assert len(panics(*dump)) == 1


def test_a_bug_is_told_from_a_panic() -> None:
    for text in ("Xen BUG at common/foo.c:12", "Assertion 'x' failed at common/foo.c:12"):
        stars = "(XEN) " + "*" * 40
        (panic,) = panics(
            f"(XEN) {text}", *DUMP, stars, "(XEN) Panic on CPU 1:", f"(XEN) {text}", stars
        )
        assert (panic.kind, panic.reason) == ("xen assertion/BUG", (text,))
        (panic,) = panics("(XEN) Panic on CPU 1:", f"(XEN) {text}", stars)
        assert panic.kind == "xen assertion/BUG"


def test_lines_behind_a_panic_do_not_belong_to_it() -> None:
    stars = "(XEN) " + "*" * 40
    (panic,) = panics("(XEN) Panic on CPU 0:", "(XEN) Oh", stars, "(XEN) Brought up 4 CPUs")
    assert (panic.reason, panic.last_line) == (("Oh",), 3)


def test_older_wordings_of_a_dom0_crash() -> None:
    (panic,) = panics(
        "(XEN) d0v0 Unhandled page fault fault/trap [#14, ec=0003]",
        "(XEN) Domain 0 (vcpu#0) crashed on cpu#0:",
        "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
    )
    assert panic.kind == "dom0 crash"
    assert panic.cpu == 0
    (panic,) = panics("(XEN) Domain 0 crashed: rebooting machine in 5 seconds.")
    assert panic.kind == "dom0 crash"


def test_an_unhandled_hypercall_of_dom0_is_no_crash() -> None:
    assert panics("(XEN) d0v0 Unhandled SMC/HVC: 0x8600ff01") == ()


LINUX_OOPS = [
    "[    3.000000] BUG: unable to handle page fault for address: ffffffff82a03e60",
    "[    3.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "[    3.000002] CPU: 2 PID: 1 Comm: swapper/0 Not tainted 6.1.0-56-amd64",
    "[    3.000003] RIP: e030:xen_set_pte+0x1f/0x40",
    "[    3.000004] Call Trace:",
    "[    3.000005]  <TASK>",
    "[    3.000006]  ? __die+0x23/0x70",
    "[    3.000007]  kernel_init+0x16/0x120",
    "[    3.000008]  </TASK>",
    "[    3.000009] Modules linked in: xen_foo+0x1/0x2",
]


def test_an_oops_of_linux_and_the_panic_that_it_becomes() -> None:
    (oops,) = panics(*LINUX_OOPS)
    assert (oops.kind, oops.cpu, oops.rip) == ("linux oops", 2, "xen_set_pte+0x1f/0x40")
    assert oops.call_trace == ("__die+0x23/0x70", "kernel_init+0x16/0x120")
    (panic,) = panics(
        *LINUX_OOPS,
        "[    3.100000] Kernel panic - not syncing: Attempted to kill init!",
        "[    3.100001] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
    )
    assert panic.kind == "linux panic"
    assert panic.reason[-1] == "Kernel panic - not syncing: Attempted to kill init!"


def test_a_panic_of_linux_without_time_stamps_and_on_arm() -> None:
    (panic,) = panics(
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
    )
    assert panic.kind == "linux panic"
    (panic,) = panics(
        "[    1.000000] Unable to handle kernel NULL pointer dereference at 0000000000000000",
        "[    1.000001] Internal error: Oops: 96000004 [#1] SMP",
        "[    1.000002] pc : foo+0x10/0x20",
        "[    1.000003] Call trace:",
        "[    1.000004]  foo+0x10/0x20",
    )
    assert (panic.rip, panic.call_trace) == ("foo+0x10/0x20", ("foo+0x10/0x20",))


def test_ordinary_talk_of_the_kernel_is_no_panic() -> None:
    assert (
        panics(
            "[    1.037089] Kernel command line: console=hvc0",
            "[    4.1] BUG: unable to handle nothing, for the stamp is not one",
            "kernel: Kernel panic - not syncing",
            "(XEN) Xen call trace:",
        )
        == ()
    )
