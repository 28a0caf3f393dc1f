"""What the commands of a script may read and change while it is followed."""

from __future__ import annotations

from collections.abc import Mapping

from harness.devicetree.tree import Tree
from harness.lint.script_trace import Boot, Branch, Load, State
from harness.lint.script_words import Problem
from harness.lint.symbols import Number, number

Outcome = bool | None
"""Whether a command works; None where that depends on the board."""


class Session:
    """What commands may read and change while a script is followed."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        base: Tree | None,
        base_name: str,
        base_size: int | None,
        base_room: int,
        comments: tuple[tuple[int, str], ...],
    ) -> None:
        self.sizes = sizes
        self.base = base
        self.base_name = base_name
        self.base_size = base_size
        self.base_room = base_room
        self.comments = comments
        self.state = State()
        self.branch: Branch = ()
        self.loads: list[Load] = []
        self.boots: list[Boot] = []
        self.problems: list[Problem] = []
        self.unknown: list[tuple[int, str]] = []
        self.line_of_run: int | None = None

    def complain(self, code: str, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(code, line, message, hint))

    def size_of(self, load: int) -> int | None:
        """The size of a load, if its file was given."""
        return self.loads[load].size if 0 <= load < len(self.loads) else None

    def number(self, text: str, *, base: int = 16) -> Number | None:
        return number(text, self.size_of, base=base)

    def load_at(self, address: Number) -> Load | None:
        """The last load to an address."""
        for load in reversed(self.loads):
            same = load.address.value == address.value
            if same and (address.value is not None or load.address.text == address.text):
                return load
        return None
