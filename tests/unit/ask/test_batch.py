from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.acpi.builder import Spec, build
from harness.ask import batch
from harness.ask.answer import Answer, Asked, Question
from harness.ask.batch import ask_many
from harness.ask.consumer import consumer_of
from harness.ask.running import Stopped, ask
from harness.errors import TargetDied, TargetError, ToolMissing, UsageError
from harness.formats.acpi.tableset import TableSet

XEN = consumer_of("xen", Path("/xen"), "xen-4.17")
TABLES = build(Spec())


def questions(*names: str) -> list[Question]:
    return [Question(TABLES, XEN, name=name) for name in names]


def answer(text: str) -> Answer:
    return Answer("enabled", (text,), "", "4.17.7", True, 0.3, ())


Fake = Callable[[Callable[[Question, int], Answer]], list[str]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Replaces the emulator: gets the question, and how often it has been asked before."""

    def install(reply: Callable[[Question, int], Answer]) -> list[str]:
        asked: list[str] = []

        def ask_once(question: Question, **options: object) -> Answer:
            asked.append(question.name)
            return reply(question, asked.count(question.name) - 1)

        monkeypatch.setattr(batch, "ask", ask_once)
        return asked

    return install


def test_answers_are_in_the_order_of_the_questions(fake: Fake) -> None:
    def reply(question: Question, _before: int) -> Answer:
        time.sleep(0.05 if question.name == "a" else 0.0)
        return answer(question.name)

    fake(reply)
    told: list[tuple[int, int, str]] = []
    found = ask_many(
        questions("a", "b", "c"),
        progress=lambda done, of, one: told.append((done, of, one.question.name)),
    )
    assert [one.answer.messages for one in found if one.answer] == [("a",), ("b",), ("c",)]
    assert [one[1] for one in told] == [3, 3, 3]
    assert told[-1][0] == 3
    assert {one[2] for one in told} == {"a", "b", "c"}


def test_no_questions_have_no_answers() -> None:
    assert ask_many([]) == ()


def test_an_emulator_that_dies_is_the_failure_of_its_question_alone(fake: Fake) -> None:
    def reply(question: Question, _before: int) -> Answer:
        if question.name == "b":
            raise TargetDied("QEMU ended with exit code 1", returncode=1)
        return answer(question.name)

    asked = fake(reply)
    good, bad, also_good = ask_many(questions("a", "b", "c"))
    assert good.answer
    assert also_good.answer
    assert bad.answer is None
    assert "exit code 1" in str(bad.error)
    assert asked.count("b") == 1


@pytest.mark.parametrize(
    "error", [TargetDied("killed", returncode=-9), TargetError("QEMU did not answer")]
)
def test_what_our_side_failed_is_asked_once_more_and_that_is_told(
    fake: Fake, error: TargetError
) -> None:
    def reply(question: Question, before: int) -> Answer:
        if before == 0:
            raise error
        return answer(question.name)

    asked = fake(reply)
    (found,) = ask_many(questions("a"))
    assert found.answer
    assert found.answer.retried == str(error)
    assert asked == ["a", "a"]


def test_once_more_and_no_more(fake: Fake) -> None:
    def reply(_question: Question, _before: int) -> Answer:
        raise TargetError("no room")

    asked = fake(reply)
    (found,) = ask_many(questions("a"))
    assert found.answer is None
    assert "no room" in str(found.error)
    assert len(asked) == 2


@pytest.mark.parametrize("error", [ToolMissing("no QEMU"), UsageError("no complete set")])
def test_what_another_try_cannot_mend_is_not_tried(fake: Fake, error: ToolMissing) -> None:
    def reply(_question: Question, _before: int) -> Answer:
        raise error

    asked = fake(reply)
    (found,) = ask_many(questions("a"))
    assert found.error is error
    assert len(asked) == 1


def test_ctrl_c_ends_those_that_run_and_starts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    begun: list[str] = []

    def ask_once(question: Question, *, stop: Callable[[], bool], **options: object) -> Answer:
        begun.append(question.name)
        if question.name == "first":
            return answer("first")
        while not stop():
            time.sleep(0.005)
        ended.append(question.name)
        raise Stopped

    monkeypatch.setattr(batch, "ask", ask_once)

    def interrupted(_done: int, _of: int, _one: Asked) -> None:
        raise KeyboardInterrupt

    names = ["first", *(str(n) for n in range(20))]
    with pytest.raises(KeyboardInterrupt):
        ask_many(questions(*names), progress=interrupted)
    assert sorted(ended) == sorted(begun[1:])
    assert len(begun) <= 4


def test_an_incomplete_set_is_refused_before_anything_is_started() -> None:
    with pytest.raises(UsageError, match="no complete set"):
        ask(Question(TableSet(()), XEN))
