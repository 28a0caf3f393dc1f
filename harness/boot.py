"""THE STORY: how a boot flows, from a board profile to a verdict. Start reading here.

board profile -> sources -> build -> serve -> target -> console -> boot log -> verdict -> report
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from harness.build.binaries import resolve
from harness.build.dom0root import gather
from harness.deadlines import StageClock
from harness.errors import UsageError
from harness.follow import Follower
from harness.judging import rules_for_boot
from harness.methods import drive
from harness.request import BootRequest
from harness.result import conclude, failure
from harness.run import RESULT, run_folder
from harness.serve.site import serve, serve_by_tftp
from harness.session import (
    HangContext,
    Observer,
    PowerOn,
    Session,
    build_for,
    console_of,
    log_in,
    open_target,
    paste_command,
)
from harness.sources import Sources
from harness.verdict import Kind


@contextmanager
def booted(
    request: BootRequest,
    observer: Observer | None = None,
    on_hang: Callable[[HangContext], None] | None = None,
) -> Iterator[Session]:
    """Boot a board; the session is alive (console, dom0) until the `with` ends.

    Args:
        observer: is told of steps, stages and lines as they come.
        on_hang: called when the board hangs, before anything is torn down.

    Raises:
        UserError: the request cannot be carried out; nothing was started.
        InfraError: our side failed before the board ran.
    """
    watch = observer or Observer()
    board = request.board
    with ExitStack() as stack:
        failed = partial(failure, request)
        run = stack.enter_context(run_folder(board.name, request.out, failed))

        watch.step("sources")
        sources = Sources(offline=request.offline, refresh=request.refresh, progress=watch.detail)
        binaries = resolve(board, request.roles(), request.uses, sources, request.known())
        dom0 = gather(board, request.root_kind, binaries, sources)

        watch.step("build")
        artifacts = build_for(request, binaries, run.work, dom0, watch.detail)

        watch.step("serve")
        power = PowerOn()
        site = stack.enter_context(serve(board, artifacts, request.network(), power.clock))
        artifacts = site.artifacts

        watch.step("power on")
        target = stack.enter_context(closing(open_target(request, artifacts, run)))
        console = stack.enter_context(closing(console_of(target, run, board, power)))
        watch.attached(console, target)
        site.powering_on()
        power.now()
        target.power_on()

        clock = StageClock(board.deadlines, board.stages, request.scale)
        follower = Follower(
            console,
            target,
            drive=lambda: drive(request, console, site.url, clock.stretch()),
            log_in=(lambda: log_in(request, console, site, run, clock.stretch()))
            if request.login
            else None,
            goal=request.goal,
            clock=clock,
            server=site.http,
            died=site.died,
            tick=watch.tick,
            at_prompt=request.stops_at_uboot,
            greetings=request.greetings(),
        )
        ending = follower.follow()

        session = Session(board, target, console, ending, request, run, clock, binaries)
        session.requests = site.requests()
        session.http = site.http
        session.findings = artifacts.findings
        session.artifacts = artifacts
        session.shell = follower.shell
        log = console.parser.log
        conclude(session, rules_for_boot(request, target, binaries, artifacts, log))
        if session.verdict.kind is Kind.HUNG and on_hang is not None:
            watch.step("it hangs: what its CPUs do")
            on_hang(HangContext(session, ending))
        watch.finished(session)
        yield session


@contextmanager
def prepared(request: BootRequest, observer: Observer | None = None) -> Iterator[str]:
    """Everything but the boot: the QEMU command for a person to paste.

    The artifacts stay in the run folder. The menu leads to QEMU's own TFTP server, so that the
    command needs no server of ours.

    Raises:
        UserError, InfraError: as `booted`.
    """
    watch = observer or Observer()
    if request.root_kind == "nfs":
        raise UsageError(
            "a command to paste has no NFS server of ours",
            expected="--root 9p, initramfs or busybox",
        )
    with run_folder(request.board.name, request.out, partial(failure, request)) as run:
        watch.step("sources")
        sources = Sources(offline=request.offline, refresh=request.refresh, progress=watch.detail)
        board = request.board
        binaries = resolve(board, request.roles(), request.uses, sources, request.known())
        dom0 = gather(board, request.root_kind, binaries, sources)
        watch.step("build")
        artifacts = build_for(request, binaries, run.work, dom0, watch.detail)
        serve_by_tftp(board, artifacts)
        yield paste_command(request, artifacts)
        run.write_json(RESULT, {"board": request.board.name, "verdict": "PREPARED"})
