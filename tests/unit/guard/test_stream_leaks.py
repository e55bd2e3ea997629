"""Output rails on streams, whole: the real rails, engine and output guard. However an answer is cut, nothing leaks.

What a client has seen of a stream is always a prefix of all it gets. So a value that is in no prefix is one that is
not in the whole, and each piece is looked at by itself as well, with all that is in it beside its text.
"""

import itertools
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from app.guard.build import build_engine
from app.retrieval.embedder import Embedder
from tests.unit.bench import Bench, stack_config, text_of
from tests.unit.guard.answers import ANSWERS, Answer

CHUNKINGS = 500  # of each policy
# Answers this long only meet the first policy: finding people in each of their windows would take minutes.
LONG = 2000  # characters
SHOWN = 5  # so many characters of a value in a row are a leak
SEED = 20
PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*\]")
# The default's output rails (what only flags changes no stream), and what a policy that masks people has.
OUTPUTS = {"secrets": [{"rail": "secrets"}], "secrets and personal data": [{"rail": "pii"}, {"rail": "secrets"}]}
MOST_DIFFERENT = 0.1  # of the chunkings; where nothing leaks the text may still be masked from another place on


def policies(output: list[dict[str, str]]) -> dict[str, Any]:
    return {"policy": {"input": [], "retrieved": [], "tool_result": [], "output": output}}


def no_embedder() -> Embedder:
    raise AssertionError("these rails need none")


@pytest.fixture(scope="module", params=OUTPUTS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench with the rails as a process has them. What the builder keeps from being imported, other tests may
    import."""
    hidden = {name: sys.modules.get(name) for name in ("torch", "transformers")}
    home = tmp_path_factory.mktemp("guard")
    config = stack_config(home, guard=policies(OUTPUTS[request.param]), cache={"enabled": False})
    engine = build_engine(config.guard, no_embedder)
    assert engine.missing == []
    made = Bench(config)
    made.guard = engine  # type: ignore[assignment]  # it has the place of its stand-in
    yield made
    for name, module in hidden.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module


def shown(value: str, text: str) -> list[str]:
    """The parts of a value that are in a text. A placeholder's name is none: `[PRIVATE_KEY]`."""
    text = PLACEHOLDER.sub("\0", text)
    return [value[i : i + SHOWN] for i in range(max(1, len(value) - SHOWN + 1)) if value[i : i + SHOWN] in text]


def chunking(text: str, chance: random.Random, values: Sequence[str]) -> list[str]:
    """A text in pieces: of one length, of short ones, of uneven ones, or cut in each value and nowhere else."""
    kind = chance.randrange(0 if len(text) < LONG else 2, 4)  # in many pieces a long one would take seconds
    if kind == 3:
        places = [text.index(value) + chance.randrange(len(value)) for value in values]
        cuts = sorted({0, len(text), *places})
        return [text[a:b] for a, b in itertools.pairwise(cuts)]
    most = (1 + chance.randrange(12), 12, 90)[kind]
    pieces, start = [], 0
    while start < len(text):
        length = most if kind == 0 else chance.randint(1, most)
        pieces.append(text[start : start + length])
        start += length
    return pieces


async def streamed(bench: Bench, pieces: Sequence[str]) -> tuple[str, list[str]]:
    """What a client gets: the text, and each event as it is written."""
    bench.model.pieces = pieces
    chunks = await bench.chunks("Tell me all.")
    return text_of(chunks), [json.dumps(chunk, ensure_ascii=False) for chunk in chunks]


async def whole(bench: Bench, answer: Answer) -> str:
    """The answer masked in one piece."""
    bench.model.pieces = [answer.text]
    return text_of(await bench.answer("Tell me all."))


def masks_people(bench: Bench) -> bool:
    return "pii" in {rail.rail for rail in bench.config.guard.policy.output}


async def hidden_in(bench: Bench, answer: Answer) -> tuple[str, list[str]]:
    """The answer masked in one piece, and which of its values are hidden then."""
    text = await whole(bench, answer)
    return text, [value for value in answer.planted if not shown(value, text)]


async def test_an_answer_in_one_piece_hides_all_that_its_policy_is_about(bench: Bench) -> None:
    """Else the test below would find no leak where there is nothing to leak."""
    assert len(ANSWERS) >= 40
    hidden = [await hidden_in(bench, answer) for answer in ANSWERS]
    if masks_people(bench):
        assert [
            answer.text for answer, (_, kept) in zip(ANSWERS, hidden, strict=True) if kept != [*answer.planted]
        ] == []
    assert sum(bool(kept) for _, kept in hidden) >= 20


async def test_no_chunking_lets_a_value_out(bench: Bench) -> None:
    chance = random.Random(SEED)
    masked = {answer: await hidden_in(bench, answer) for answer in ANSWERS}
    longest = LONG if masks_people(bench) else sys.maxsize
    answers = [answer for answer in ANSWERS if masked[answer][1] and len(answer.text) < longest]
    leaks: list[tuple[str, str]] = []
    different: list[tuple[str, str]] = []
    for number in range(CHUNKINGS):
        answer = answers[number % len(answers)]
        expected, values = masked[answer]
        pieces = chunking(answer.text, chance, answer.planted)
        assert "".join(pieces) == answer.text
        text, events = await streamed(bench, pieces)
        leaks += [(value, text) for value in values if any(shown(value, part) for part in (text, *events))]
        if text != expected:
            different.append((text, expected))
    assert leaks == [], f"{len(leaks)} leaks"
    assert len(different) <= MOST_DIFFERENT * CHUNKINGS, different[:5]
