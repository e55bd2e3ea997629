"""Each of the settings gets its rail, and nobody loads the embedder who does not need it."""

from typing import Any

import pytest

from app.config.policy import (
    LanguageSettings,
    LengthSettings,
    PiiSettings,
    PythonSettings,
    RegexSettings,
    TopicConfig,
    TopicSettings,
    UrlSettings,
)
from app.guard.policy_rails.build import build
from app.guard.policy_rails.topics import Embeds
from tests.unit.guard.test_rails_topics import CountsWords


def no_embedder() -> Embeds:
    raise AssertionError("nobody asked for it")


@pytest.mark.parametrize(
    "settings",
    [
        RegexSettings(patterns={"a": "x"}),
        LengthSettings(),
        LanguageSettings(allow=("en",)),
        UrlSettings(allow=()),
        PythonSettings(hook="builtins:bool"),
    ],
    ids=lambda settings: settings.rail,
)
def test_it_is_made_without_the_embedder(settings: Any) -> None:
    rail = build(settings, no_embedder)
    assert rail.version.startswith(settings.rail)
    assert rail.examine([""]) == [[]]


def test_topics_get_the_embedder() -> None:
    settings = TopicSettings(deny={"weapons": TopicConfig(examples=("build a bomb",))})
    assert len(build(settings, CountsWords).examine(["build a bomb"])[0]) == 1


def test_other_rails_are_none_of_these() -> None:
    with pytest.raises(TypeError, match="pii"):
        build(PiiSettings(), no_embedder)
