"""The values that rails take and return."""

import re
from dataclasses import dataclass, field, replace

from app.config.policy import GuardPlace, Mode

__all__ = ["Context", "Examined", "Finding", "GuardPlace", "Hit", "Mode", "Screened", "Verdict"]


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rail found in one text: `rule` is what (EMAIL_ADDRESS, override), `score` how surely, 0 to 1, `start` to
    `end` where, in characters; all of the text where it is about all of it."""

    rule: str
    score: float
    start: int
    end: int


_NO_RULE = re.compile(r"[^A-Za-z0-9_.:/ -]+")
MAX_RULE = 60


def clean(hit: Hit) -> Hit:
    """With a rule that headers, traces and metrics can carry: rails of others may say what they like."""
    rule = _NO_RULE.sub("_", hit.rule)[:MAX_RULE].strip()
    return hit if rule == hit.rule else replace(hit, rule=rule or "found")


@dataclass(frozen=True, slots=True)
class Context:
    """What a rail may know beside the texts. Personal data in it is masked already."""

    question: str = ""  # the last user turn
    system_prompt: str = ""
    passages: tuple[str, ...] = ()
    response_format: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What one rail said of the texts of one call: for each its hits. `failure`: why it said nothing
    (error, timeout, busy, missing)."""

    rail: str  # its name in the policy
    version: str
    hits: tuple[tuple[Hit, ...], ...] = ()
    latency_ms: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rail holds of a place's texts, by the policy: the strongest hit, and whether it counts."""

    place: GuardPlace
    rail: str
    version: str
    mode: Mode
    flagged: bool = False
    rule: str = ""
    score: float = 0.0
    text: int = -1  # which of the texts
    start: int = 0
    end: int = 0
    latency_ms: float = 0.0
    failure: str = ""

    @property
    def name(self) -> str:
        """`rail.rule`, as errors and traces say it."""
        return f"{self.rail}.{self.rule}" if self.rule else self.rail


@dataclass(frozen=True, slots=True)
class Finding:
    """One masked span, without its text: `text` is the index of the screened text it was in."""

    entity: str
    score: float
    text: int
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Screened:
    """Texts after the rails of a place, and the vault that undoes the masking: placeholder -> value.

    The vault is personal data. It never leaves the process that made it, and dies with the request.
    """

    texts: tuple[str, ...]
    vault: dict[str, str] = field(default_factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    blocked: Verdict | None = None  # the first that blocks
    dropped: tuple[int, ...] = ()  # texts that a blocking rail was about, or could not look at
    failed_open: bool = False  # an enforcing rail failed, and its setting let the request go on

    @property
    def changed(self) -> bool:
        """Whether any text is another now."""
        return bool(self.vault or self.dropped)
