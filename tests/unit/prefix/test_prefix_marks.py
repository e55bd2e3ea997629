"""Prompts have as many marks in common as they have whole blocks in common."""

import os
from typing import Any

import pytest

from app.routing.prefix import BLOCK_BYTES, MAX_BLOCKS, prefix_marks

SYSTEM = {"role": "system", "content": "You answer questions about the harbour. " * 20}


def chat(*questions: str, system: dict[str, Any] = SYSTEM, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": question} for question in questions]
    return {"model": "m", "messages": [system, *turns], **more}


def shared(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def test_a_conversation_that_goes_on_keeps_all_its_marks() -> None:
    first = prefix_marks(chat("When does the ferry leave on a Sunday in winter, and from where?"))
    second = prefix_marks(chat("When does the ferry leave on a Sunday in winter, and from where?", "And back?"))
    assert len(first) > 10
    assert second.startswith(first)


def test_two_questions_share_the_blocks_of_their_system_prompt_and_no_more() -> None:
    a, b = prefix_marks(chat("Where is the crane? " * 20)), prefix_marks(chat("Who runs the locks? " * 20))
    assert shared(a, b) == (len(SYSTEM["content"]) + 50) // BLOCK_BYTES


def test_marks_after_a_difference_differ_although_the_text_goes_on_alike() -> None:
    other = {**SYSTEM, "content": "X" + str(SYSTEM["content"])[1:]}
    assert shared(prefix_marks(chat("Where?")), prefix_marks(chat("Where?", system=other))) == 0


def test_tools_are_a_part_of_the_beginning() -> None:
    tool = {"type": "function", "function": {"name": "tide", "description": "The height of the tide. " * 5}}
    assert shared(prefix_marks(chat("Where?")), prefix_marks(chat("Where?", tools=[tool]))) == 0


def test_fields_that_stand_in_no_prompt_change_nothing() -> None:
    assert prefix_marks(chat("Where?")) == prefix_marks(chat("Where?", temperature=0.5, stream=True, priority=1))


@pytest.mark.parametrize("prompt", ["Once upon a time " * 9, ["Once upon a time " * 9], [list(range(99))]])
def test_a_text_completion_has_marks_too(prompt: Any) -> None:
    assert prefix_marks({"model": "m", "prompt": prompt})


def test_less_than_a_block_has_none() -> None:
    assert prefix_marks({"model": "m", "prompt": "Hi"}) == ""


def test_marks_are_bounded_and_can_be_sent_as_text() -> None:
    marks = prefix_marks(chat(*(os.urandom(5000).hex() for _ in range(60))))
    assert len(marks) == MAX_BLOCKS
    assert marks.encode().decode() == marks


def test_marks_tell_no_text() -> None:
    assert not set(prefix_marks(chat("Where is the crane? " * 9))) & set(map(chr, range(0x10000)))
