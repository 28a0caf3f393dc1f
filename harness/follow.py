"""Follows a boot from power-on to its ending.

Everything that can end a boot meets here: the goal, a panic, a reset, silence, a dead emulator, a
file that the board asked for in vain, a server of ours that is gone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

from harness.bootlog import is_prompt, plain_text
from harness.console import BoardStopped, Console, ConsoleTimeout
from harness.deadlines import StageClock
from harness.errors import TargetError
from harness.serve.http import HttpServer
from harness.serve.requests import Request
from harness.shell.base import ShellError
from harness.target.base import ChannelClosed, Target, TargetEvent
from harness.toolstack.dom0 import Dom0
from harness.verdict import Ending

# After a panic Xen waits five seconds before it resets; the reason is printed at once.
_QUIET_AFTER_PANIC = 2.0
_DRAIN_LIMIT = 20.0
# After the goal: late lines of the kernel belong to the boot.
_QUIET_AT_GOAL = 0.2
# How long a refused request may stay without consequence before it is the cause.
_REFUSED_PATIENCE = 3.0
_CHECK_EVERY = 0.1
_PROMPT_PATIENCE = 5.0


class BootEnded(Exception):  # noqa: N818 -- carries an ending to whoever waits
    """Somebody who watches the boot says that it is over."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.detail)
        self.ending = ending


class Follower:
    """Watches one boot.

    Args:
        goal: the stage to wait for; "" waits for the end of the line.
        clock: deadlines; None for a recorded log.
        drive: types what the method needs; returns when the rest goes by itself.
        log_in: logs in at the goal `login`; a login that does not work is a boot that failed.
        server: what the board fetches from; None if nothing is served.
        died: why a server of ours that the board needs is gone; None while all run.
        tick: called several times a second.
        at_prompt: the goal is the prompt that `drive` leads to, not its stage alone.
        greetings: what domains say when they are up, by name; awaited after the goal's stage.
    """

    def __init__(
        self,
        console: Console,
        target: Target,
        *,
        goal: str,
        clock: StageClock | None,
        drive: Callable[[], None] | None = None,
        log_in: Callable[[], Dom0] | None = None,
        server: HttpServer | None = None,
        died: Callable[[], str | None] = lambda: None,
        tick: Callable[[], None] | None = None,
        at_prompt: bool = False,
        greetings: Mapping[str, re.Pattern[str]] | None = None,
    ) -> None:
        self.console = console
        self.target = target
        self.drive = drive
        self.goal = goal
        self.clock = clock
        self.server = server
        self.died = died
        self.log_in = log_in
        self.tick = tick
        self.shell: Dom0 | None = None
        self._at_prompt = at_prompt
        self._awaited = dict(greetings or {})
        self._heard = 0
        self._driving = False
        self._checked = float("-inf")

    def follow(self) -> Ending:
        """From power-on to the ending. Only defects of ours raise."""
        console = self.console
        console.checks.append(self._check)
        try:
            if self.drive:
                self._driving = True
                self.drive()
                self._driving = False
            while not self._at_goal():
                console.pump_checked(0.25)
            console.drain(_QUIET_AT_GOAL, 3.0)
            if self.goal == "login" and self.log_in:
                self.shell = self.log_in()
            return self._after_goal()
        except BoardStopped as stopped:
            return self._drained(Ending("stopped", str(stopped)))
        except BootEnded as ended:
            return ended.ending
        except ChannelClosed:
            return self._line_ended()
        except KeyboardInterrupt:
            return Ending("interrupted", "interrupted by the user, or by a signal")
        except (ConsoleTimeout, ShellError, TargetError) as bad:
            return self._refused() or self._from_error(bad)
        finally:
            console.checks.remove(self._check)

    def _after_goal(self) -> Ending:
        event = self.target.poll()
        return self._from_event(event) if event else Ending("goal")

    def _at_goal(self) -> bool:
        return self._at_goal_stage() and not self._missing()

    def _missing(self) -> Sequence[str]:
        """The domains that have not said yet that they are up."""
        lines = self.console.lines
        while self._awaited and self._heard < len(lines):
            text = plain_text(lines[self._heard].text)
            self._heard += 1
            said = [name for name, pattern in self._awaited.items() if pattern.search(text)]
            for name in said:
                del self._awaited[name]
        return list(self._awaited)

    def _at_goal_stage(self) -> bool:
        stage = self.console.parser.stage
        if self.clock is None or stage is None:
            return False
        order = self.clock.stages
        return order.index(stage) >= order.index(self.goal)

    def _check(self) -> None:
        console = self.console
        # Called for each read, which may be one byte: what is asked here can wait a moment.
        if self._checked <= console.now < self._checked + _CHECK_EVERY:
            return
        self._checked = console.now
        if self.tick:
            self.tick()
        event = self.target.poll()
        if event:
            raise BootEnded(self._drained(self._from_event(event)))
        gone = self.died()
        if gone is not None:
            raise BootEnded(Ending("infra", f"{gone}, in the middle of the boot"))
        refused = self._refused()
        if refused and console.silent_for > _REFUSED_PATIENCE * (
            self.clock.scale if self.clock else 1
        ):
            raise BootEnded(refused)
        self._check_prompt()
        to_prompt = self._driving and self._at_prompt
        if self._at_goal() and not to_prompt:
            # A goal before Xen: the rest need not be typed.
            if self._driving:
                raise BootEnded(Ending("goal"))
        elif self.clock is not None:
            parser = console.parser
            late = self.clock.late(
                parser.stage, parser.stage_times, console.now, console.silent_for
            )
            if self._at_goal_stage():  # only the prompt is not there, or a domain is not up yet
                since = parser.stage_times.get(self.goal, 0.0)
                named = f"the greeting of {' and '.join(self._missing())}"
                what = "its prompt" if to_prompt else named
                late = self.clock.overdue(
                    what, self.goal, self.goal, since, console.now, console.silent_for
                )
            if late:
                raise BootEnded(self._refused() or late)

    def _check_prompt(self) -> None:
        """A loader's or rescue prompt, which nobody is going to answer, is the end of a boot."""
        console = self.console
        if self._driving or self.clock is None or self._at_goal():
            return
        prompt = is_prompt(console.partial)
        if (
            prompt in {"ipxe", "uboot", "rescue"}
            and console.silent_for > _PROMPT_PATIENCE * self.clock.scale
        ):
            said = next((line.text for line in reversed(console.lines) if line.text.strip()), "")
            why = f"the boot stands at the {prompt} prompt; before it: {said!r}"
            raise BootEnded(self._refused() or Ending("shell", why))

    def _refused(self) -> Ending | None:
        """The last file that the board asked for in vain, if it asked for nothing since."""
        requests: Sequence[Request] = self.server.requests if self.server else ()
        if not requests or requests[-1].status < 400 or self._loaded():
            return None
        last = requests[-1]
        asked = f"the board asked for {last.path}: {last.status}"
        if last.status >= 500:
            return Ending("infra", f"{asked}; our server could not read what it serves")
        return Ending("refused", f"{asked}; we serve no such file")

    def _loaded(self) -> bool:
        """Whether what was to be fetched was fetched: a later failure has another cause."""
        return bool(self.console.parser.stage_times.keys() & {"xen", "kernel"})

    def _drained(self, ending: Ending) -> Ending:
        scale = self.clock.scale if self.clock else 0.0
        self.console.drain(_QUIET_AFTER_PANIC * scale, _DRAIN_LIMIT * scale)
        return ending

    def _line_ended(self) -> Ending:
        event = self.target.wait_for_end()
        if event is None:
            return Ending("infra", "the serial line ended, and the target still runs")
        return self._from_event(event)

    @staticmethod
    def _from_event(event: TargetEvent) -> Ending:
        if event.kind == "end-of-recording":
            return Ending("log-end")
        return Ending(event.kind, event.detail)

    def _from_error(self, bad: ConsoleTimeout | ShellError | TargetError) -> Ending:
        # A command that fails because the emulator has just died is not the board's failure.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            event = self.target.poll()
            if event:
                return self._from_event(event)
            time.sleep(0.02)
        if isinstance(bad, ConsoleTimeout):
            return Ending("deadline", str(bad))
        return Ending("shell" if isinstance(bad, ShellError) else "infra", bad.message)
