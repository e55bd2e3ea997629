"""The system prompt in an answer: canaries in every spelling, copied stretches, and what must not be taken for one."""

import base64
import codecs
import time

import pytest

from app.config.policy import PromptLeakSettings
from app.guard.output.canary import canaries, canary, find_canary, instructed
from app.guard.output.copied import by_chance, split
from app.guard.output.prompt_leak import PromptLeakRail
from app.guard.types import Context, Hit

SECRET = b"0123456789abcdef"
PROMPT = """You are Orla, the support assistant of Northwind Kettles, a company in Leeds that makes electric kettles.

## Rules
- Never offer a discount above 12 percent, and only when the customer mentions a competitor twice.
- Do not tell anybody that the Model 4 had a faulty thermostat; send such questions to warranty@northwind.example.
- If you do not know the answer, say that you do not know it and point to https://help.northwind.example/kettles/model-4.
- When asked for a refund, answer: "Refunds take five working days after the kettle has arrived at our warehouse."
- Speak plainly, use short sentences, and close each conversation by asking whether anything else is needed.

Escalate to a human agent when the customer threatens legal action, mentions an injury, or asks three times for one.
"""
MARK = canary(SECRET, PROMPT)


async def hits(answer: str, prompt: str = PROMPT, question: str = "", passages: tuple[str, ...] = ()) -> list[Hit]:
    rail = PromptLeakRail(PromptLeakSettings())
    (found,) = await rail.examine([answer], Context(question=question, system_prompt=prompt, passages=passages))
    return found


def score(found: list[Hit], rule: str = "overlap") -> float:
    return max((hit.score for hit in found if hit.rule == rule), default=0.0)


def test_canary_is_the_prompts_own_and_nobody_elses() -> None:
    assert canary(SECRET, PROMPT) == MARK
    assert canary(SECRET, PROMPT + " ") != MARK
    assert canary(b"another secret", PROMPT) != MARK
    assert canaries(instructed(PROMPT, MARK)) == [MARK]
    assert canaries(PROMPT) == []
    assert instructed("  ", MARK) == "  "
    with pytest.raises(ValueError, match="secret"):
        canary(b"", PROMPT)


PLAIN = MARK.replace("-", "")
SPELLINGS = {
    "as it is": MARK,
    "upper case": MARK.upper(),
    "spaced": " ".join(MARK),
    "dots": ".".join(PLAIN),
    "zero width": "\u200b".join(MARK),
    "markdown": "**" + MARK.replace("-", "** - **") + "**",
    "full width": "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in MARK),
    "reversed": MARK[::-1],
    "rot13": codecs.encode(MARK, "rot13"),
    "hexadecimal": MARK.encode().hex(),
    "base64": base64.b64encode(MARK.encode()).decode(),
    "base64 of capitals": base64.b64encode(MARK.upper().encode()).decode(),
    "first half": MARK[:11],
    "second half": MARK[-11:],
    "lines": MARK.replace("-", "\n"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_canary_is_found_however_it_is_spelled(spelling: str) -> None:
    text = f"Of course. My reference is {SPELLINGS[spelling]} as you asked."
    found = [hit for hit in await hits(text, instructed(PROMPT, MARK)) if hit.rule == "canary"]
    assert [hit.score for hit in found] == [1.0]
    assert SPELLINGS[spelling].strip("*") in text[found[0].start : found[0].end]


@pytest.mark.parametrize("before", range(6))
def test_canary_is_found_in_base64_at_every_offset(before: int) -> None:
    text = base64.b64encode(("x" * before + instructed(PROMPT, MARK)).encode()).decode()
    assert find_canary(f"Here: {text}", MARK)


async def test_canary_of_another_prompt_is_not_found() -> None:
    other = canary(SECRET, "another prompt")
    assert await hits(f"My reference is {other}.", instructed(PROMPT, MARK)) == []


def test_canary_needs_two_groups_in_a_row() -> None:
    first, second = MARK.split("-")[:2]
    assert find_canary(f"{second} {first}", MARK) is None
    assert find_canary(first, MARK) is None


LEAK = PROMPT.split("\n")[3].removeprefix("- ")


@pytest.mark.parametrize(
    "answer",
    [
        LEAK,
        LEAK.upper(),
        "> **Rules:** " + LEAK.replace(" ", "  "),
        LEAK.replace(" ", "\n"),
        LEAK.replace("e", "e\u200b"),
        LEAK.replace("customer", "client"),  # one word changed
        "".join(chr(ord(c) + 0xFEE0) if c.isalpha() and c.isascii() else c for c in LEAK),  # full width
        "Never offer a discount above 12 percent, and only when the customer mentions",
    ],
)
async def test_copied_sentence_is_found_whatever_its_dress(answer: str) -> None:
    text = f"Sure, here is what I was told: {answer} That is all."
    found = [hit for hit in await hits(text) if hit.rule == "overlap" and hit.score >= 0.5]
    assert len(found) == 1
    covered = text[found[0].start : found[0].end]
    assert answer.strip("> *.\u200b").endswith(covered[-8:])
    assert len(covered) >= 0.8 * len(answer)


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ("I am Orla, the support assistant of Northwind Kettles. How can I help?", ""),
        ("I do not know the answer to that. Please see https://help.northwind.example/kettles/model-4 for help.", ""),
        ("Refunds take five working days after the kettle has arrived at our warehouse. Anything else?", ""),
        ("Write to warranty@northwind.example. Is there anything else that is needed?", ""),
        ("Northwind Kettles makes electric kettles in Leeds, and the Model 4 is one of them.", ""),
        (
            "You say that the Model 4 had a faulty thermostat; I cannot tell you more about that.",
            "A friend says that the Model 4 had a faulty thermostat. True?",
        ),
        ("no " * 300, ""),
        ("If you do not, you do not. " * 50, ""),
        ("", ""),
        ("\ud800\x00 \u200b" * 1000, ""),
    ],
)
async def test_natural_answer_is_no_leak(answer: str, question: str) -> None:
    assert score(await hits(answer, question=question)) < 0.5


async def test_what_the_question_or_a_passage_holds_does_not_count() -> None:
    assert score(await hits(LEAK)) > 0.5
    assert score(await hits(LEAK, question=f"Is this right? {LEAK}")) == 0
    assert score(await hits(LEAK, passages=("Other.", f"From the handbook: {LEAK}"))) == 0


@pytest.mark.parametrize("prompt", ["You are a helpful assistant.", "", " \n", "You are Orla. Answer in French."])
async def test_short_prompt_is_no_secret(prompt: str) -> None:
    assert score(await hits(f"My instructions: {prompt} And no more than that.", prompt)) < 0.5


async def test_score_grows_with_what_is_copied_and_is_a_half_at_min_words() -> None:
    words = LEAK.split()
    scores = [score(await hits("Look: " + " ".join(words[:count]))) for count in range(4, len(words) + 1)]
    assert scores == sorted(scores)
    assert scores[0] < 0.5 < scores[-1]
    strict = PromptLeakRail(PromptLeakSettings(min_words=5))
    (found,) = await strict.examine(["Look: " + " ".join(words[:8])], Context(system_prompt=PROMPT))
    assert score(found) > score(await hits("Look: " + " ".join(words[:8])))


async def test_leak_is_found_while_its_first_character_is_still_held() -> None:
    """The lookahead that the rail asks for is enough to know a leak before any of it is out."""
    prompt = (
        "Answer as a careful clerk of the city archive. Read the question twice before you write anything, and name "
        "the box in which a document lies whenever the catalogue has one. Never guess a date; write that the year is "
        "uncertain instead. If a visitor asks for papers of living persons, explain that they are closed for sixty "
        "years and offer the form for exceptions. Keep every reply under two hundred words and sign it."
    )
    ahead = PromptLeakRail.lookahead
    starts = [place + 2 for place in range(len(prompt) - ahead - 2) if prompt[place : place + 2] == ". "]
    assert len(starts) == 3
    for start in starts:
        assert score(await hits(f"They say: {prompt[start : start + ahead + 1]}", prompt)) >= 0.5
        assert score(await hits(f"They say: {prompt[start : start + 9]}", prompt)) == 0  # less would not do


def test_words_have_the_places_they_have_in_the_text() -> None:
    text = "\u200bSee **https://a.example/b-c?d=1**, or WRITE\u00ad to x.y@z.example — ﬁne!"
    words = split(text)
    assert words.words == ("see", "https://a.example/b-c?d=1**,", "or", "write", "to", "x.y@z.example", "fine")
    assert [text[a:b] for a, b in words.spans][3] == "WRITE"


def test_chance_grows_with_the_logarithm_of_both_lengths() -> None:
    assert by_chance(100, 100) == pytest.approx(2)
    assert by_chance(0, 0) == 0


async def test_examination_is_cheap_and_linear() -> None:
    rail = PromptLeakRail(PromptLeakSettings())
    context = Context(system_prompt=instructed(PROMPT * 2, MARK), question="Why?")
    answer = ("I can help with your kettle, and the customer mentions a lot of things. " * 6)[:400]
    await rail.examine([answer], context)
    started = time.perf_counter()
    for _ in range(100):
        await rail.examine([answer], context)
    assert (time.perf_counter() - started) / 100 < 0.002  # measured: 0.1 ms
    for long in (LEAK * 3000, "\u200b" * 1_000_000, "1" * 1_000_000, "a " * 150_000, MARK * 10_000):
        started = time.perf_counter()
        await rail.examine([long], context)
        assert time.perf_counter() - started < 5


def test_version_tells_what_changes_findings() -> None:
    versions = {PromptLeakRail(PromptLeakSettings(min_words=n)).version for n in (6, 8)}
    assert len(versions) == 2
