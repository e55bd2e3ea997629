"""What a safety model answered: the words, and how sure the model was of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class Unreadable(ValueError):
    """The model said something else than a verdict. Its words are not in the message: they may be a user's."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score`: probability of unsafe. `codes`: the categories it named, those it was not told of left out."""

    score: float
    unsafe: bool
    codes: tuple[str, ...] = ()


def text_of(answer: Mapping[str, Any]) -> tuple[str, bool]:
    """The words of a chat or text completion, and whether they are cut off. Raises Unreadable."""
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (KeyError, IndexError, TypeError):
        raise Unreadable("an answer without a choice") from None
    if not isinstance(text, str):
        raise Unreadable("an answer without text")
    return text, choice.get("finish_reason") == "length"


def unsafe_probability(answer: Mapping[str, Any]) -> float | None:
    """P(unsafe) among safe and unsafe, from the first token that is not blank; None when the answer has no log
    probabilities.

    Llama Guard 3's model card: "we look at the probability for the first token, and use that as the 'unsafe' class
    probability". A tokenizer may split the words, so that all tokens which begin one of them are added up.
    """
    for token, alternatives in _steps(answer["choices"][0].get("logprobs")):
        if not token.strip():
            continue
        safe = unsafe = 0.0
        for other, logprob in alternatives:
            word = other.strip().lower()
            if word and "unsafe".startswith(word):
                unsafe += math.exp(logprob)
            elif word and "safe".startswith(word):
                safe += math.exp(logprob)
        return unsafe / (safe + unsafe) if safe + unsafe > 0 else None
    return None


def _steps(logprobs: Any) -> Iterable[tuple[str, list[tuple[str, float]]]]:
    """Each token with the likeliest at its place. Text completions have parallel lists, chat completions objects."""
    if not isinstance(logprobs, Mapping):
        return
    if content := logprobs.get("content"):
        for step in content:
            yield step["token"], [(other["token"], other["logprob"]) for other in step.get("top_logprobs") or ()]
        return
    for token, top in zip(logprobs.get("tokens") or (), logprobs.get("top_logprobs") or (), strict=False):
        yield token, list((top or {}).items())


def read_safe_unsafe(answer: Mapping[str, Any], codes: Iterable[str]) -> Judgement:
    """`safe`, or `unsafe` with a second line of codes. Raises Unreadable for anything else.

    A code that it was not told of does not count; the verdict does.
    """
    text, is_cut = text_of(answer)
    lines = text.strip().splitlines()
    verdict = lines[0].strip().lower() if lines else ""
    probability = unsafe_probability(answer)
    if verdict == "safe" and len(lines) == 1:
        return Judgement(0.0 if probability is None else probability, unsafe=False)
    if verdict != "unsafe":
        raise Unreadable("neither safe nor unsafe")
    named = [code.strip().upper() for line in lines[1:2] for code in line.split(",")]
    if is_cut:
        named = named[:-1]  # S1 of S14
    known = tuple(code for code in dict.fromkeys(named) if code in set(codes))
    # What was said is at least an even bet, also where tokens that begin `safe` have more mass together.
    return Judgement(1.0 if probability is None else max(probability, 0.5), unsafe=True, codes=known)
