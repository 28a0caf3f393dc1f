"""In which way a boot failed, so that boots that failed in the same way are counted together.

| verdict | what makes the signature, besides the verdict |
|---|---|
| PASS | nothing |
| CRASHED with a panic at a known function | kind of panic, that function, first reason |
| CRASHED with another panic | kind of panic, stage, first reason |
| FAIL by expectations | the expectations that failed |
| HUNG, INCOMPLETE, the rest of FAIL and CRASHED | ending, stage, last whole line, partial line |
| DIED, INFRA | what happened |

A panic leaves out stage and last line: it strikes at any time, and after it the console is read
until it is quiet. All texts are normalised (`harness.soak.normalise`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import InputError
from harness.soak.normalise import bare, function, normalised
from harness.verdict import Kind

_LONGEST_TITLE = 100


@dataclass(frozen=True)
class Signature:
    """In which way a boot ended.

    Attributes:
        id: 10 hex digits, the same on every machine and in every version that keeps `VERSION`.
        title: for people, with the numbers of this boot: "HUNG at `Brought up 4 CPUs`".
        verdict: as in result.json.
        stage: the last stage that was reached.
        where: in what CPU0 of a board that hung was found ("CPU0 in on_selected_cpus"); "" if that
            is not known. It is no part of the id: not every hang can be looked at.
        key: what the id is made of, normalised, in order.
    """

    id: str
    title: str
    verdict: str
    stage: str | None
    key: tuple[str, ...]
    where: str = ""

    @property
    def failed(self) -> bool:
        """The board failed; DIED and INFRA say nothing of the board."""
        return board_failed(self.verdict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "key": list(self.key)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        """The signature that `to_json` has written.

        Raises:
            InputError: it is none.
        """
        try:
            texts = {name: value[name] for name in ("id", "title", "verdict")}
            stage, key = value["stage"], value["key"]
        except (KeyError, TypeError):
            raise InputError("not a signature", expected="id, title, verdict, stage, key") from None
        if not isinstance(key, list) or not all(
            isinstance(t, str) for t in (*texts.values(), *key)
        ):
            raise InputError("not a signature", expected="texts, and a list of texts as key")
        return cls(
            **texts,
            stage=stage if isinstance(stage, str) else None,
            key=tuple(key),
            where=_text(value, "where"),
        )


VERSION = 1
"""Goes into every id: raised when a pattern or the table above changes."""


def board_failed(verdict: str) -> bool:
    """Whether a verdict counts as a failure of the board."""
    return verdict in {Kind.FAIL, Kind.CRASHED, Kind.HUNG, Kind.INCOMPLETE}


def counts(verdict: str) -> bool:
    """Whether a boot with this verdict says anything of the board: not if our side failed."""
    return verdict == Kind.PASS or board_failed(verdict)


def signature_of(result: Mapping[str, Any]) -> Signature:
    """In which way a boot ended.

    Args:
        result: of result.json; fields that are not there, or null, count as empty.

    Raises:
        InputError: there is no verdict in it that we know.
    """
    verdict = result.get("verdict")
    if verdict not in set(Kind):
        expected = f"one of {', '.join(Kind)}"
        raise InputError(f"the verdict is {verdict!r}", where="result.json", expected=expected)
    stage = _text(result, "stage") or None
    key, title = _told(str(verdict), stage, result)
    digest = hashlib.sha256(json.dumps([VERSION, str(verdict), *key]).encode()).hexdigest()
    where = _text(_part(result, "forensics"), "signature")
    return Signature(digest[:10], _short(f"{verdict}{title}"), str(verdict), stage, key, where)


def _told(
    verdict: str, stage: str | None, result: Mapping[str, Any]
) -> tuple[tuple[str, ...], str]:
    """What makes the signature, and what its title says behind the verdict."""
    if verdict == Kind.PASS:
        return (), ""
    if verdict in {Kind.DIED, Kind.INFRA}:
        said = _first_line(_text(_part(result, "ending"), "detail") or _text(result, "cause"))
        return (normalised(said),), f": {said}"
    panic = next(iter(_list(result, "panics")), None)
    if verdict == Kind.CRASHED and isinstance(panic, Mapping):
        return _of_panic(panic, stage)
    failed = [
        str(one.get("id"))
        for one in _list(result, "expectations")
        if isinstance(one, Mapping) and one.get("state") == "failed"
    ]
    if verdict == Kind.FAIL and failed:
        return ("expectations", *sorted(set(failed))), f": {', '.join(failed)}"
    return _of_end(stage, result)


def _of_panic(panic: Mapping[str, Any], stage: str | None) -> tuple[tuple[str, ...], str]:
    kind, rip = _text(panic, "kind"), _text(panic, "rip")
    reasons = [one for one in _list(panic, "reason") if isinstance(one, str)]
    reason = reasons[0] if reasons else ""
    if rip:
        name = function(rip)
        return (kind, name, normalised(reason)), f": {kind} in {name}: {reason}".rstrip(": ")
    return (kind, stage or "", normalised(reason)), f": {kind}: {reason}".rstrip(": ")


def _of_end(stage: str | None, result: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    last, partial = _text(result, "last_line"), _text(result, "partial_line")
    ending = _text(_part(result, "ending"), "kind")
    key = (_ENDINGS.get(ending, ending), stage or "", normalised(last), normalised(partial))
    shown = bare(last).strip()
    if partial.strip():
        return key, f" in the line `{partial.strip()}` after `{shown}`"
    return key, f" at `{shown}`" if shown else " without a word"


# How we learned of it does not tell two boots apart: a recording ends where a live boot is silent.
_ENDINGS = {"silence": "", "log-end": "", "deadline": "", "stopped": ""}


@dataclass(frozen=True)
class Cluster:
    """The boots that ended in the same way.

    Attributes:
        signature: of the first of them; `title` is that of most of them.
        boots: their numbers, ascending.
        stages: stage -> how many had reached it last, most first.
        places: where CPU0 was found -> in how many of them, most first.
    """

    signature: Signature
    title: str
    boots: tuple[int, ...]
    stages: tuple[tuple[str, int], ...]
    places: tuple[tuple[str, int], ...] = ()

    @property
    def count(self) -> int:
        return len(self.boots)


def cluster(outcomes: Iterable[tuple[int, Signature]]) -> tuple[Cluster, ...]:
    """Boots by the way in which they ended.

    Args:
        outcomes: number of the boot and its signature; the order does not matter.

    Returns:
        Failures of the board first, then boots that passed, then those that our side failed; each
        the largest first, and of the same size the one that was seen first.
    """
    groups: dict[str, list[tuple[int, Signature]]] = {}
    for number, signature in sorted(outcomes, key=lambda one: one[0]):
        groups.setdefault(signature.id, []).append((number, signature))
    clusters = [_clustered(members) for members in groups.values()]
    return tuple(sorted(clusters, key=lambda c: (_rank(c.signature), -c.count, c.boots[0])))


def _clustered(members: list[tuple[int, Signature]]) -> Cluster:
    titles = Counter(signature.title for _, signature in members)
    stages = Counter(signature.stage or "none" for _, signature in members)
    return Cluster(
        members[0][1],
        titles.most_common(1)[0][0],
        tuple(number for number, _ in members),
        tuple(stages.most_common()),
        tuple(Counter(s.where for _, s in members if s.where).most_common()),
    )


def _rank(signature: Signature) -> int:
    return 0 if signature.failed else 1 if signature.verdict == Kind.PASS else 2


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return list(found) if isinstance(found, list | tuple) else []


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 3]}..."
