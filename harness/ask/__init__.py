"""Asks the real Xen, or Linux, what it does with ACPI tables; an emulated machine has them.

consumer, = consumers(["xen-4.17"], board, Sources(), folder)
rebased = rebase(tables)
answer = ask(Question(rebased.tables, consumer))
"""

from harness.acpi.machine import Q35, Machine
from harness.acpi.rebase import NotAskable, Rebased, rebase
from harness.ask.answer import Answer, Asked, Outcome, Question
from harness.ask.batch import ask_many
from harness.ask.consumer import Consumer, consumer_of, consumers
from harness.ask.running import Stopped, ask

__all__ = [
    "Q35",
    "Answer",
    "Asked",
    "Consumer",
    "Machine",
    "NotAskable",
    "Outcome",
    "Question",
    "Rebased",
    "Stopped",
    "ask",
    "ask_many",
    "consumer_of",
    "consumers",
    "rebase",
]
