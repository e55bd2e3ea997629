"""The safety model's rail on texts that are longer than what it reads at once."""

import pytest

from app.errors import ContextTooLong
from app.guard.safety.windows import MOST_WINDOWS, TextTooLong, windows
from app.guard.types import Hit
from tests.unit.guard.safety_model import FakeModel, Reply, examine, rail


def test_a_long_text_is_judged_in_windows_and_as_its_worst() -> None:
    model = FakeModel(lambda text: "unsafe\nS1" if "needle" in text else "safe")
    text = "hay " * 10_000 + "needle" + " hay" * 10_000
    assert examine(rail(model), text) == [[Hit("S1 Violent Crimes", 1.0, 0, len(text))]]
    assert 10 < len(model.bodies) <= MOST_WINDOWS


def test_windows_leave_nothing_out_and_cut_no_word_without_showing_it_whole() -> None:
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(9_999))
    pieces = windows(text, 1_000)
    assert all(len(piece) <= 1_000 for piece in pieces)
    assert all(any(text[at : at + 100] in piece for piece in pieces) for at in range(len(text) - 100))


def test_too_many_windows_are_a_failure_and_not_a_way_around() -> None:
    model = FakeModel()
    with pytest.raises(TextTooLong):
        examine(rail(model), "a" * 1_000_000)
    assert model.bodies == []


def test_windows_fit_the_models_context() -> None:
    model = FakeModel()
    examine(rail(model, name="tiny"), "word " * 2_000)
    assert all(len(body["prompt"]) < 4 * 1024 for body in model.bodies)


def test_a_window_that_the_engine_finds_too_long_is_halved() -> None:
    def reply(prompt: str) -> Reply:
        if prompt.count("字") > 2_500:
            return ContextTooLong("too long")
        return "unsafe\nS1" if "毒" in prompt else "safe"

    model = FakeModel(reply)
    text = "字" * 6_900 + "毒" + "字" * 1_000
    assert examine(rail(model), text) == [[Hit("S1 Violent Crimes", 1.0, 0, len(text))]]


def test_a_text_that_never_fits_is_a_failure() -> None:
    model = FakeModel(lambda _: ContextTooLong("too long"))
    with pytest.raises(ContextTooLong):
        examine(rail(model), "a" * 8_000)
    assert len(model.bodies) < 20
