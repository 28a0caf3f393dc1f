"""Follows a U-Boot script without running it: what is loaded where, and what is started.

An `if` that can be decided is decided; of any other all arms are followed, and what they do is
kept apart. A command behind `&&` is followed as if the one before had worked, a command behind
`||` as an arm of its own. A loop over words is unrolled; the body of any other is followed once.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.devicetree.tree import Tree
from harness.lint.script_commands import run_command
from harness.lint.script_parse import Block, Chain, Command, For, If, Statement, While, parse
from harness.lint.script_session import Outcome, Session
from harness.lint.script_trace import State, Trace
from harness.lint.script_words import Problem, Word
from harness.lint.symbols import clean, is_known, unknown_variable

# Commands that are followed at most: loops inside loops, and scripts that run themselves.
MAX_STEPS = 5_000
MAX_NESTED = 8
# Loads are compared with each other, for every start: no script of a person has so many.
MAX_LOADS = 300
MAX_BOOTS = 20


def follow(
    text: str,
    *,
    sizes: Mapping[str, int] | None = None,
    base: Tree | None = None,
    base_name: str = "",
    base_size: int | None = None,
    base_room: int = 0,
) -> Trace:
    """Follow a script.

    Args:
        sizes: base name of a file to its size in bytes.
        base: the device tree that the script loads, if it was given.
        base_name: its file's base name; with any other name it is taken for the one that
            `fdt addr` names.
        base_size: its size in bytes, without free space at its end.
        base_room: the free space, in bytes.
    """
    text = clean(text)
    script = parse(text)
    session = Session(sizes or {}, base, base_name, base_size, base_room, script.comments)
    runner = _Runner(session)
    runner.block(script.body)
    return Trace(
        text,
        tuple(session.loads),
        tuple(session.boots),
        (*script.problems, *_unique(session.problems)),
        tuple(dict.fromkeys(session.unknown)),
        tuple(sorted(set(runner.branches))),
        script.comments,
    )


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


class _Runner:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.steps = 0
        self.is_over = False
        self.nested = 0
        self.forks = 0
        self.branches: list[int] = []

    def block(self, block: Block) -> Outcome:
        outcome: Outcome = True
        for statement in block:
            if self.session.state.ended:
                break
            outcome = self._statement(statement)
        return outcome

    def _statement(self, statement: Statement) -> Outcome:
        if not self._may_go_on(statement):
            return None
        if isinstance(statement, Command):
            return self._command(statement)
        if isinstance(statement, Chain):
            return self._chain(statement)
        if isinstance(statement, If):
            return self._if(statement)
        return self._for(statement) if isinstance(statement, For) else self._while(statement)

    def _may_go_on(self, statement: Statement) -> bool:
        self.steps += 1
        for count, most, what in (
            (self.steps, MAX_STEPS, "commands"),
            (len(self.session.loads), MAX_LOADS, "loads"),
            (len(self.session.boots), MAX_BOOTS, "starts"),
        ):
            if count > most:
                if not self.is_over:
                    message = f"more than {most} {what}: what follows was not looked at"
                    self.session.complain("endless", statement.line, message)
                self.is_over = self.session.state.ended = True
                return False
        return True

    def _command(self, command: Command) -> Outcome:
        words = [text for word in command.words for text in self._expand(word)]
        if not words:
            return True
        if words[0] == "run":
            return self._run(words[1:], command.line)
        return run_command(self.session, words, command.line)

    def _run(self, names: list[str], line: int) -> Outcome:
        outcome: Outcome = True
        for name in names:
            text = self.session.state.environment.get(name)
            if text is None or not is_known(text) or self.nested >= MAX_NESTED:
                self.session.unknown.append((line, f"run {name}"))
                outcome = None
                continue
            self.nested += 1
            script = parse(text)
            lines = [Problem(p.code, line, p.message, p.hint) for p in script.problems]
            self.session.problems += lines
            self.session.line_of_run = self.session.line_of_run or line
            outcome = self.block(script.body)
            self.nested -= 1
            if not self.nested:
                self.session.line_of_run = None
        return outcome

    def _chain(self, chain: Chain) -> Outcome:
        outcome: Outcome = True
        for joint, statement in chain.items:
            if self.session.state.ended:
                break
            if joint == "&&" and outcome is False:
                continue
            if joint == "||" and outcome is True:
                continue
            if joint == "||" and outcome is None:
                # It may have worked, and then this one does not run.
                self._arms([(statement,), ()])
                outcome = None
                continue
            outcome = self._statement(statement)
        return outcome

    def _if(self, statement: If) -> Outcome:
        arms: list[Block] = []
        for condition, body in statement.arms:
            outcome = self.block(condition)
            if outcome is True and not arms:
                return self.block(body)
            if outcome is not False:
                arms.append(body)
            if outcome is True:
                break
        else:
            if not arms:
                return self.block(statement.otherwise)
            arms.append(statement.otherwise)
        self.branches.append(statement.line)
        self._arms(arms)
        return None

    def _arms(self, arms: list[Block]) -> None:
        """Follow arms that exclude each other, each from the state as it is now."""
        session = self.session
        self.forks += 1
        fork, before, branch = self.forks, session.state, session.branch
        results: list[State] = []
        for index, arm in enumerate(arms):
            session.state = before.copy()
            session.branch = (*branch, (fork, index))
            self.block(arm)
            results.append(session.state)
        session.branch = branch
        going_on = [state for state in results if not state.ended]
        session.state = _merged(going_on) if going_on else results[0]

    def _for(self, statement: For) -> Outcome:
        words = [text for word in statement.words for text in self._expand(word)]
        for text in words:
            self.session.state.environment[statement.name] = text
            self.block(statement.body)
            if self.session.state.ended or not self._may_go_on(statement):
                break
        return None

    def _while(self, statement: While) -> Outcome:
        self.block(statement.condition)
        self._arms([statement.body, ()])
        return None

    def _expand(self, word: Word) -> list[str]:
        """A word's text; more than one, or none, where a variable stands without quotes."""
        done: list[str] = []
        current: list[str] = []
        quoted = False
        for part in word.parts:
            quoted = quoted or part.quoted
            text = self._value(part.text) if part.is_variable else part.text
            if not part.is_variable or part.quoted:
                current.append(text)
                continue
            pieces = text.split()
            if text[:1].isspace() and current:
                done.append("".join(current))
                current = []
            for piece in pieces[:-1]:
                done.append("".join([*current, piece]))
                current = []
            current += pieces[-1:]
        last = "".join(current)
        return [*done, last] if last or quoted else done

    def _value(self, name: str) -> str:
        name, _, rest = name.partition(":")
        value = self.session.state.environment.get(name)
        if value is None:
            if rest[:1] in ("-", "=") and name:
                return rest[1:]
            return unknown_variable(name)
        return value or (rest[1:] if rest[:1] in ("-", "=") else "")


def _merged(states: list[State]) -> State:
    """What is known behind an if: what all arms agree on."""
    first = states[0].copy()
    for other in states[1:]:
        names = {*first.environment, *other.environment}
        for name in names:
            if first.environment.get(name) != other.environment.get(name):
                first.environment[name] = unknown_variable(name)
        first.tree.merge(other.tree)
        first.fdt = first.fdt or other.fdt
    return first
