"""Graded pairs whose vectors tell, more or less, whether the small model suffices."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from app.evals.tiers.grades import Pair, Reply
from app.evals.tiers.training import Models

MODELS = Models("embedder-1", "small-1", "large-1")
CATEGORIES = ("facts", "sums", "words", "codes")


@dataclass(frozen=True)
class World:
    """Prompts and their vectors, one row each."""

    pairs: list[Pair]
    vectors: NDArray[np.float64]

    def half(self, training: bool) -> "World":
        rows = [row for row, pair in enumerate(self.pairs) if pair.is_for_training is training]
        return World([self.pairs[row] for row in rows], self.vectors[rows])


def pair(name: str, small: float, large: float, category: str = "facts") -> Pair:
    """A pair of 10-token answers to 10-token prompts."""
    question = f"What about {name}?"
    replies = (Reply(name, question, model, grade, 10, 10) for model, grade in (("small-1", small), ("large-1", large)))
    return Pair(name, question, category, *replies)


def make_world(prompts: int = 400, *, noise: float = 0.0, seed: int = 3) -> World:
    """Easy prompts (both models are right) lie on one side of a plane, hard ones (only large is) on the other.

    `noise` is the standard deviation of what is added along its normal: at 0 they can be told apart for sure.
    """
    draw = np.random.default_rng(seed)
    easy = draw.random(prompts) < 0.5
    vectors = draw.normal(size=(prompts, 8))
    vectors[:, 0] = np.where(easy, 1.0, -1.0) + noise * draw.normal(size=prompts)
    pairs = [pair(f"q{n}", float(easy[n]), 1.0, CATEGORIES[n % 4]) for n in range(prompts)]
    return World(pairs, vectors)


@pytest.fixture
def world() -> Callable[..., World]:
    return make_world
