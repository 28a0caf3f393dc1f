"""`xl list` and `xl vcpu-list`: domains and their virtual CPUs (tools/xl/xl_list.c, xl_vcpu.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import FormatError

# More than Xen can have; a damaged line must not ask for a list of a billion.
_MOST_CPUS = 4096
_NUMBER = r"(\d{1,10})"
_SECONDS = r"(\d{1,12}\.\d)"
_FLAGS = {
    "r": "running",
    "b": "blocked",
    "p": "paused",
    "s": "shutdown",
    "c": "crashed",
    "d": "dying",
}
_STATE = "([r-][b-][p-][s-][c-][d-])"


@dataclass(frozen=True, slots=True)
class Domain:
    """A row of `xl list`.

    Attributes:
        name: "(null)" for one that is going, and has lost its name.
        id: its number.
        memory: MiB, as Xen gave it.
        vcpus: virtual CPUs that are online.
        state: the six characters "rbpscd", "-" for what it is not.
        seconds: CPU time used.
        uuid: with `-v` only.
        shutdown_reason: with `-v` only: as printed, "-" for none.
    """

    name: str
    id: int
    memory: int
    vcpus: int
    state: str
    seconds: float
    uuid: str | None = None
    shutdown_reason: str | None = None

    @property
    def states(self) -> frozenset[str]:
        """running, blocked, paused, shutdown, crashed, dying.

        None of them: it is about to run, or it was between two moments.
        """
        return frozenset(_FLAGS[letter] for letter in self.state if letter != "-")


_DOMAIN = re.compile(
    rf"(?P<name>.*\S) +{_NUMBER} +{_NUMBER} +{_NUMBER} +{_STATE} +{_SECONDS}"
    r"(?: +(?P<uuid>[0-9a-f-]{36})(?: +(?P<reason>\S+))?.*)?\s*"
)


def parse_list(text: str) -> tuple[Domain, ...]:
    """The domains that `xl list` or `xl list -v` shows.

    Raises:
        FormatError: the head of the table is not there.
    """
    return tuple(
        Domain(
            match["name"],
            int(match[2]),
            int(match[3]),
            int(match[4]),
            match[5],
            float(match[6]),
            match["uuid"],
            match["reason"],
        )
        for line in below(text, r"Name +ID +Mem VCPUs\tState\tTime\(s\).*", "xl list")
        if (match := _DOMAIN.fullmatch(line))
    )


@dataclass(frozen=True, slots=True)
class Vcpu:
    """A row of `xl vcpu-list`.

    Attributes:
        name, id: of its domain.
        vcpu: its number in the domain.
        cpu: the physical CPU that it is on; None if it is offline.
        state: three characters: r(unning), b(locked), p (offline).
        seconds: CPU time used.
        hard, soft: physical CPUs that it may, and should, run on; None = all.
    """

    name: str
    id: int
    vcpu: int
    cpu: int | None
    state: str
    seconds: float
    hard: tuple[int, ...] | None
    soft: tuple[int, ...] | None


_VCPU = re.compile(
    rf"(?P<name>.*\S) +{_NUMBER} +{_NUMBER} +(?P<cpu>\d{{1,10}}|-) +"
    rf"(?P<state>[r-][b-][p-]) +{_SECONDS}  (?P<hard>[\w,^-]+) / (?P<soft>[\w,^-]+)\s*"
)


def parse_vcpu_list(text: str) -> tuple[Vcpu, ...]:
    """The virtual CPUs that `xl vcpu-list` shows.

    Raises:
        FormatError: the head of the table is not there.
    """
    head = r"Name +ID +VCPU +CPU State +Time\(s\) Affinity.*"
    return tuple(
        Vcpu(
            match["name"],
            int(match[2]),
            int(match[3]),
            None if match["cpu"] == "-" else int(match["cpu"]),
            match["state"],
            float(match[6]),
            _cpus(match["hard"]),
            _cpus(match["soft"]),
        )
        for line in below(text, head, "xl vcpu-list")
        if (match := _VCPU.fullmatch(line))
    )


def _cpus(text: str) -> tuple[int, ...] | None:
    """A set of CPUs as xl prints it: "all", "none", "0,2-3"."""
    if text == "all":
        return None
    found: set[int] = set()
    for first, last in re.findall(r"(\d{1,10})(?:-(\d{1,10}))?", text):
        low, high = int(first), int(last or first)
        if low <= high < _MOST_CPUS:
            found.update(range(low, high + 1))
    return tuple(sorted(found))


def below(text: str, head: str, command: str) -> list[str]:
    """The lines below the head of a table.

    Raises:
        FormatError: it is not there.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if re.fullmatch(head, line.rstrip()):
            return lines[number + 1 :]
    raise FormatError(
        f"this is no answer to `{command}`: {text[:80]!r}",
        field="head of the table",
        offset=0,
    )
