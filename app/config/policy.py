"""The guard's policy: which rails stand at which place of a request, and what each of them does.

A policy is a YAML file of its own, or stands in the configuration; `sextant guard policy` prints the one in force.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from app.config.hazards import LLAMA_GUARD, QWEN3_GUARD
from app.config.policy_values import Expression, HostName, LanguageCode
from app.config.settings import Count, Milliseconds, Settings, Share

PII_TYPES = (
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "IP_ADDRESS",
    "STREET_ADDRESS",
    "DATE_OF_BIRTH",
    "PASSPORT",
    "DRIVER_LICENSE",
)

GuardPlace = Literal["input", "retrieved", "tool_result", "output"]
PLACES: tuple[GuardPlace, ...] = get_args(GuardPlace)
Mode = Literal["block", "mask", "flag", "shadow"]
Pattern = Annotated[str, Field(min_length=1, max_length=2000)]
HazardCode = Annotated[str, Field(pattern=r"^[A-Z]{1,3}[0-9]{1,2}$")]
HazardText = Annotated[str, Field(pattern=r"^[!-~]", max_length=2000)]
RuleName = Annotated[str, Field(pattern=r"^[A-Za-z][\w.-]{0,39}$")]
# `module:name`.
Importable = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]


THIS = "Which rail it is."
AS_FOR_ALL = "As for every rail."


class RailSettings(Settings):
    """What every rail is told."""

    mode: Mode = Field(
        "block",
        description="`block` refuses (a passage or tool result is dropped), `mask` replaces the span, `flag` tells the "
        "client and the trace, `shadow` the trace alone.",
    )
    threshold: Share = Field(0.5, description="Lowest score that counts.")
    deadline_ms: Milliseconds = Field(2000.0, description="Past this the rail has failed.")
    on_failure: Literal["closed", "open"] = Field(
        "closed",
        description="When the rail throws, hangs or is missing: refuse (closed) or go on without it (open). "
        "A rail that only flags never refuses.",
    )

    @property
    def name(self) -> str:
        """What verdicts and errors call it."""
        return str(getattr(self, "label", None) or getattr(self, "rail"))  # noqa: B009 (each subclass has one)

    @property
    def enforces(self) -> bool:
        """Whether a request can come to grief, or be changed, by it."""
        return self.mode in ("block", "mask")


class PatternConfig(Settings):
    """A recognizer of one's own: what matches becomes a placeholder of that name."""

    entity: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$", description="Its name: EMPLOYEE_ID gives <EMPLOYEE_ID_1>.")
    pattern: Pattern = Field(description="Regular expression, in RE2's syntax (linear time).")
    score: Share = Field(0.8, description="Score of a match.")


class PiiSettings(RailSettings):
    """Personal data, found by Presidio's recognizers, libphonenumber and a network for names."""

    rail: Literal["pii"] = Field("pii", description=THIS)
    mode: Mode = Field("mask", description=AS_FOR_ALL)
    entities: tuple[str, ...] = Field(
        PII_TYPES,
        min_length=1,
        description="Types that are found: these, and others that Presidio has patterns for (UK_NHS, CRYPTO).",
    )
    allow: tuple[str, ...] = Field(
        (), description="Texts that are never personal data, whatever their case, beside those of `guard.allow`."
    )
    recognizers: tuple[PatternConfig, ...] = Field((), description="Further recognizers.")


class SecretsSettings(RailSettings):
    """API keys, tokens, private keys, passwords and connection strings."""

    rail: Literal["secrets"] = Field("secrets", description=THIS)
    mode: Mode = Field("mask", description=AS_FOR_ALL)


class InjectionSettings(RailSettings):
    """Prompt injection and jailbreaks: normalisation, rules, then a classifier."""

    rail: Literal["injection"] = Field("injection", description=THIS)
    model: str | None = Field(
        None,
        description="A transformer classifier instead of the shipped one: a directory or hub id, such as Llama Prompt "
        "Guard 2 (needs the extra `transformers`).",
    )


class RegexSettings(RailSettings):
    """Regular expressions, matched in linear time."""

    rail: Literal["regex"] = Field("regex", description=THIS)
    label: str = Field("regex", description="What verdicts call it.")
    patterns: dict[RuleName, Expression] = Field(
        min_length=1, max_length=500, description="Rule names and their expressions (RE2's syntax)."
    )
    ignore_case: bool = Field(True, description="Whether case is ignored.")


class LengthSettings(RailSettings):
    """Bounds of one text's length."""

    rail: Literal["length"] = Field("length", description=THIS)
    max_characters: Count = Field(20_000, description="Longest text.")


class LanguageSettings(RailSettings):
    """Languages that are spoken here."""

    rail: Literal["language"] = Field("language", description=THIS)
    allow: tuple[LanguageCode, ...] = Field(min_length=1, description="ISO 639-1 codes: en, de.")
    min_characters: Count = Field(40, description="Texts with fewer letters are not judged: too little to tell.")


class UrlSettings(RailSettings):
    """Links: only to hosts that are listed."""

    rail: Literal["urls"] = Field("urls", description=THIS)
    allow: tuple[HostName, ...] = Field(
        description="Hosts, and all below them: example.com allows docs.example.com. None: no links at all."
    )


# 0 and 1 would be every text and none.
Similarity = Annotated[float, Field(ge=0.05, le=0.95)]
TopicExample = Annotated[str, Field(min_length=3, max_length=1000)]


class TopicConfig(Settings):
    """A topic by examples of what is said about it."""

    examples: tuple[TopicExample, ...] = Field(min_length=1, max_length=200, description="Questions or statements.")
    similarity: Similarity | None = Field(
        None, description="Similarity to an example from which a text is about it; none: the rail's."
    )


class TopicSettings(RailSettings):
    """Topics, told by the embedding: those denied, or all but those allowed."""

    rail: Literal["topics"] = Field("topics", description=THIS)
    label: str = Field("topics", description="What verdicts call it.")
    similarity: Similarity = Field(
        0.5,
        description="Cosine of a sentence's embedding and an example's from which the text is about the topic. The "
        "score is 0.5 there, so `threshold` stays 0.5 unless all topics are to be stricter or laxer at once.",
    )
    deny: dict[RuleName, TopicConfig] = Field(default_factory=dict, description="Topics that are not talked about.")
    allow: dict[RuleName, TopicConfig] = Field(
        default_factory=dict, description="When given, nothing else is talked about."
    )
    max_characters: Count = Field(
        20_000, description="What is beyond is not read, and a hit for it says so (`too_long`): embedding takes time."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "TopicSettings":
        if not self.deny and not self.allow:
            raise ValueError("topics: give topics to deny, or to allow")
        for name in ("off_topic", "too_long"):
            if name in self.deny:
                raise ValueError(f"topics: {name!r} is what the rail itself calls something; name the topic otherwise")
        return self


class PythonSettings(RailSettings):
    """A function of one's own: `def check(text: str) -> list[Hit]`."""

    rail: Literal["python"] = Field("python", description=THIS)
    label: str = Field("python", description="What verdicts call it.")
    hook: Importable = Field(description="`module:function`, importable here.")


class NemoSettings(RailSettings):
    """NVIDIA NeMo Guardrails, by its own configuration (extra `nemo`)."""

    rail: Literal["nemo"] = Field("nemo", description=THIS)
    label: str = Field("nemo", description="What verdicts call it.")
    config: str = Field(min_length=1, description="Directory of its configuration.")
    rails: Literal["input", "output"] = Field(
        "input", description="Which of its rails are asked; at the place `output` usually `output`."
    )
    deadline_ms: Milliseconds = Field(10_000.0, description=AS_FOR_ALL)


class GuardrailsAiSettings(RailSettings):
    """A validator of Guardrails AI (extra `guardrails-ai`)."""

    rail: Literal["guardrails_ai"] = Field("guardrails_ai", description=THIS)
    label: str = Field("guardrails_ai", description="What verdicts call it.")
    validator: Importable = Field(description="`module:Class` of the validator.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="What it is constructed with.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="What it is given with each text.")


class SafetyModelSettings(RailSettings):
    """A safety model (Llama Guard, Qwen3Guard, or an instruct model as a judge), served here or by a provider."""

    rail: Literal["safety_model"] = Field("safety_model", description=THIS)
    label: str = Field("safety_model", description="What verdicts call it.")
    model: str = Field(description="Id of the model in `models` or `hosted`.")
    format: Literal["llama-guard-3", "llama-guard-4", "qwen3guard", "generic"] = Field(
        "llama-guard-3", description="How it is asked; `generic` for any instruct model."
    )
    categories: dict[HazardCode, HazardText] = Field(
        default_factory=dict,
        max_length=50,
        description="Hazard categories of one's own, code (S1) and description; none: the model's, for Llama Guard S1 "
        "to S14.",
    )
    ignore: tuple[str, ...] = Field(
        (), description="Category codes (names, for Qwen3Guard) that do not count, as long as no other is named."
    )
    window_characters: int = Field(
        8000,
        ge=500,
        le=200_000,
        description="Longer texts are judged in pieces that overlap, at most 32; a small context "
        "of the model shortens the pieces.",
    )
    constrained: bool = Field(
        True,
        description="Let the engine allow no answer but a verdict (structured outputs). Models of providers are never "
        "constrained.",
    )
    deadline_ms: Milliseconds = Field(10_000.0, description=AS_FOR_ALL)

    @model_validator(mode="after")
    def _ignores_what_is_there(self) -> "SafetyModelSettings":
        known = QWEN3_GUARD if self.format == "qwen3guard" else (self.categories or LLAMA_GUARD)
        for code in self.ignore:
            if code not in known:
                raise ValueError(f"safety_model: {code!r} is no category of it; known: {', '.join(known)}")
        return self


class PromptLeakSettings(RailSettings):
    """The system prompt in an answer: a canary in it, or long passages of it."""

    rail: Literal["prompt_leak"] = Field("prompt_leak", description=THIS)
    mode: Mode = Field("flag", description=f"{AS_FOR_ALL} A prompt that holds facts is quoted by right answers.")
    min_words: int = Field(
        8,
        ge=4,
        le=200,
        description="Words of the prompt in a row (frequent ones like `the` count half) that score 0.5; twice as many "
        "score more. Lower finds shorter leaks, and takes more common phrases for one.",
    )
    canary: bool = Field(
        False,
        description="Put a marker into the first line of an alias's prompt that no answer has by chance: it gives away "
        "leaks in other words and encodings. A small model may say it unasked.",
    )


class JsonSchemaSettings(RailSettings):
    """An answer to `response_format` json_schema (or json_object) that is none."""

    rail: Literal["json_schema"] = Field("json_schema", description=THIS)
    repair: bool = Field(True, description="Ask the model once more, with what is wrong.")


class GroundednessSettings(RailSettings):
    """Sentences of a RAG answer that no cited passage supports."""

    rail: Literal["groundedness"] = Field("groundedness", description=THIS)
    mode: Mode = Field("flag", description=AS_FOR_ALL)
    threshold: Share = Field(0.5, description="Lowest score (1 - support) at which a sentence counts as unsupported.")


ANYWHERE = (
    PiiSettings
    | SecretsSettings
    | RegexSettings
    | LengthSettings
    | LanguageSettings
    | UrlSettings
    | TopicSettings
    | PythonSettings
    | GuardrailsAiSettings
    | SafetyModelSettings
)
InputRail = Annotated[ANYWHERE | InjectionSettings | NemoSettings, Field(discriminator="rail")]
OutputRail = Annotated[
    ANYWHERE | NemoSettings | PromptLeakSettings | JsonSchemaSettings | GroundednessSettings,
    Field(discriminator="rail"),
]
# Of the rails of all places.
AnyRail = ANYWHERE | InjectionSettings | NemoSettings | PromptLeakSettings | JsonSchemaSettings | GroundednessSettings


class Policy(Settings):
    """Rails by place. Those of one place run at the same time."""

    version: str = Field("1", pattern=r"^[\w.-]{1,40}$", description="Its author's name for it, told in verdicts.")
    input: tuple[InputRail, ...] = Field(
        (PiiSettings(), SecretsSettings(), InjectionSettings()), description="What users write."
    )
    retrieved: tuple[InputRail, ...] = Field((InjectionSettings(),), description="Passages of the knowledge base.")
    tool_result: tuple[InputRail, ...] = Field(
        (PiiSettings(), SecretsSettings(), InjectionSettings()), description="What tools answered."
    )
    output: tuple[OutputRail, ...] = Field(
        (SecretsSettings(), PromptLeakSettings()), description="What the model answers."
    )

    @field_validator("input", "retrieved", "tool_result", "output")
    @classmethod
    def _named_apart(cls, rails: tuple[RailSettings, ...]) -> tuple[RailSettings, ...]:
        for rail in rails:
            if rail.mode == "mask" and isinstance(rail, SafetyModelSettings | JsonSchemaSettings):
                raise ValueError(f"{rail.name} says nothing of a span that could be masked; use block, flag or shadow")
        names = [rail.name for rail in rails]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rails are called {name!r}; give one another `label`, or make one of both")
        return rails

    def at(self, place: GuardPlace) -> tuple[AnyRail, ...]:
        """The rails of a place, in the order of the file."""
        rails: tuple[AnyRail, ...] = getattr(self, place)
        return rails
