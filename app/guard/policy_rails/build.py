"""From a rail's settings to the rail."""

from collections.abc import Callable

from app.config.policy import (
    AnyRail,
    GuardrailsAiSettings,
    LanguageSettings,
    LengthSettings,
    NemoSettings,
    PythonSettings,
    RegexSettings,
    TopicSettings,
    UrlSettings,
)
from app.guard.policy_rails.guardrails_ai import GuardrailsAiRail
from app.guard.policy_rails.hook import HookRail
from app.guard.policy_rails.language import LanguageRail
from app.guard.policy_rails.length import LengthRail
from app.guard.policy_rails.nemo import NemoRail
from app.guard.policy_rails.regex import RegexRail
from app.guard.policy_rails.topics import Embeds, TopicRail
from app.guard.policy_rails.urls import UrlRail
from app.guard.rail import TextRail


def build(settings: AnyRail, embedder: Callable[[], Embeds]) -> TextRail:
    """`embedder` is called only where topics are told apart. Raises RailMissing when what the rail needs is not there,
    TypeError for settings of other rails."""
    match settings:
        case RegexSettings():
            return RegexRail(settings)
        case LengthSettings():
            return LengthRail(settings)
        case LanguageSettings():
            return LanguageRail(settings)
        case UrlSettings():
            return UrlRail(settings)
        case TopicSettings():
            return TopicRail(settings, embedder())
        case PythonSettings():
            return HookRail(settings)
        case NemoSettings():
            return NemoRail(settings)
        case GuardrailsAiSettings():
            return GuardrailsAiRail(settings)
        case _:
            raise TypeError(f"{settings.rail} is no rail of this package")
