"""The identity of the guard's policies, for cache keys. Light to import: the ingress needs only this."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.config import GuardConfig
from app.config.policy import (
    PLACES,
    AnyRail,
    GuardPlace,
    GuardrailsAiSettings,
    InjectionSettings,
    NemoSettings,
    Policy,
    PromptLeakSettings,
    PythonSettings,
    RailSettings,
    SafetyModelSettings,
)
from app.guard.policy_rails.hook import load, source_of
from app.guard.rail import RailMissing

# Raise it when the code in this package finds or masks differently.
REVISION = 4
# Of the weights and tables that come with this package.
TABLES = ("*.npz", "*.gz", "*.json")
MISSING = "missing"


def policy_versions(config: GuardConfig, revisions: Mapping[str, str] | None = None) -> dict[str, str]:
    """For each policy what identifies all that it would do to a text: settings, models, revision of the code, and what
    stands outside of both: the source of hooks and validators, NeMo's files, weights.

    `revisions` of the models that are asked are those of `app.provenance.model_revisions`. Imports hooks and
    validators, as the rails do; what cannot be imported or read here counts as missing.
    """
    if not config.enabled:
        return dict.fromkeys(config.named, "off")
    tables = sorted(_tables())
    return {
        name: hashlib.blake2b(
            repr(
                (
                    REVISION,
                    tables,
                    config.language_model,
                    sorted(config.allow),
                    (config.spotlight, config.spotlight_tools),
                    [(place, _rails(policy, place, revisions or {})) for place in PLACES],
                )
            ).encode(errors="replace"),
            digest_size=6,
        ).hexdigest()
        for name, policy in config.named.items()
    }


def _rails(policy: Policy, place: GuardPlace, revisions: Mapping[str, str]) -> list[tuple[str, str]]:
    """Settings, and what stands outside of them. What watches changes no answer, nor who gets it."""
    return sorted((repr(rail), _outside(rail, revisions)) for rail in policy.at(place) if _matters(rail))


def _matters(rail: RailSettings) -> bool:
    return rail.mode != "shadow" or (isinstance(rail, PromptLeakSettings) and rail.canary)


def _outside(rail: AnyRail, revisions: Mapping[str, str]) -> str:
    """What the rail finds depends on this, too; "" where its settings and `REVISION` say it all."""
    match rail:
        case PythonSettings():
            return _source(rail.hook, rail.rail)
        case GuardrailsAiSettings():
            return f"{_package('guardrails-ai')} {_source(rail.validator, rail.rail)}"
        case NemoSettings():
            return f"{_package('nemoguardrails')} {_contents(Path(rail.config))}"
        case SafetyModelSettings():
            return revisions.get(rail.model, "")
        case InjectionSettings(model=str(model)):
            return _weights(Path(model))
    return ""


def _source(name: str, rail: str) -> str:
    try:
        return _digest(source_of(load(name, rail)).encode(errors="replace"))
    except RailMissing:
        return MISSING


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _contents(directory: Path) -> str:
    """Of a directory of NeMo's: names and contents."""
    try:
        return _digest(
            b"".join(
                f"{path.relative_to(directory)} {_digest(path.read_bytes())}\n".encode(errors="replace")
                for path in sorted(directory.rglob("*"))
                if path.is_file() and "__pycache__" not in path.parts
            )
        )
    except OSError:
        return MISSING


def _weights(directory: Path) -> str:
    """Of a classifier's directory: names, sizes and times, as gigabytes take too long to read; "" for a hub id."""
    files = [path for path in sorted(directory.glob("*")) if path.suffix in (".safetensors", ".bin", ".json")]
    return " ".join(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)


def _tables() -> Iterator[str]:
    """The weights and tables that come with this package."""
    package = Path(__file__).parent
    for pattern in TABLES:
        for path in package.rglob(pattern):
            yield f"{path.relative_to(package)} {_digest(path.read_bytes())}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
