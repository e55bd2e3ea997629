"""The directory's memory: keys by the hash of their secret, rules by subject, callers put together from both."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.accounts.subjects import EVERY_TENANT, Subject
from app.accounts.types import Budget, Caller, LimitRule

# An index over so many bytes finds a key or almost surely nothing; what it finds is then compared whole.
PREFIX = 8


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key. After a rotation `previous_digest` is what it was before, good until `previous_until_ms`."""

    id: str
    tenant: str
    digest: bytes
    customer: str | None = None
    models: frozenset[str] | None = None
    groups: tuple[str, ...] = ()
    expires_ms: int | None = None
    revoked_ms: int | None = None
    previous_digest: bytes | None = None
    previous_until_ms: int | None = None

    @property
    def digests(self) -> Iterable[bytes]:
        """Everything that was ever this key and is still known."""
        return (self.digest, self.previous_digest) if self.previous_digest else (self.digest,)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is set for one subject."""

    limit: LimitRule | None = None
    budgets: tuple[Budget, ...] = ()


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What is set for models, by the model's name: every tenant's and one tenant's together."""

    limits: Mapping[str, tuple[LimitRule, ...]]
    budgets: Mapping[str, tuple[Budget, ...]]


class Book:
    """Changes a subject at a time. Callers are put together when first asked for, and kept until a change."""

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}
        self._by_prefix: dict[bytes, list[KeyRecord]] = {}
        self._rules: dict[str, Rules] = {}
        self._models: dict[str, frozenset[str]] = {}  # tenant -> models that have rules there
        self._callers: dict[str, Caller] = {}
        self._by_model: dict[str, ModelRules] = {}

    def key(self, key_id: str) -> KeyRecord | None:
        """The key of that id, whatever state it is in."""
        return self._keys.get(key_id)

    def find(self, digest: bytes) -> KeyRecord | None:
        """The key that has or had this digest; the digests are compared in constant time."""
        for record in self._by_prefix.get(digest[:PREFIX], ()):
            if any(hmac.compare_digest(known, digest) for known in record.digests):
                return record
        return None

    def caller(self, record: KeyRecord) -> Caller:
        """The caller that this key makes."""
        caller = self._callers.get(record.id)
        if caller is None:
            caller = self._callers[record.id] = self._put_together(record)
        return caller

    def put_key(self, key_id: str, record: KeyRecord | None) -> None:
        """Take in a key as it now is; None: there is none of that id."""
        known = self._keys.pop(key_id, None)
        if known:
            for digest in known.digests:
                self._by_prefix[digest[:PREFIX]].remove(known)
                if not self._by_prefix[digest[:PREFIX]]:
                    del self._by_prefix[digest[:PREFIX]]
        self._callers.pop(key_id, None)
        if record:
            self._keys[key_id] = record
            for digest in record.digests:
                self._by_prefix.setdefault(digest[:PREFIX], []).append(record)

    def put_rules(self, subject: str, rules: Rules) -> None:
        """Take in what is now set for a subject."""
        if rules == NO_RULES:
            self._rules.pop(subject, None)
        else:
            self._rules[subject] = rules
        scope, _, name = subject.partition(":")
        if scope == "model":
            owner, _, model = name.partition("/")
            others = self._models.get(owner, frozenset()) - {model}
            self._models[owner] = others if rules == NO_RULES else others | {model}
        self._callers.clear()
        self._by_model.clear()

    def _put_together(self, record: KeyRecord) -> Caller:
        subjects = [Subject("key", record.id), Subject("tenant", record.tenant)]
        if record.customer:
            subjects.insert(1, Subject("customer", record.customer, record.tenant))
        rules = [self._rules.get(str(subject), NO_RULES) for subject in subjects]
        if record.tenant not in self._by_model:
            self._by_model[record.tenant] = self._rules_by_model(record.tenant)
        by_model = self._by_model[record.tenant]
        return Caller(
            tenant=record.tenant,
            key_id=record.id,
            customer=record.customer,
            models=record.models,
            groups=record.groups,
            limits=tuple(rule.limit for rule in rules if rule.limit),
            budgets=tuple(budget for rule in rules for budget in rule.budgets),
            model_limits=by_model.limits,
            model_budgets=by_model.budgets,
        )

    def _rules_by_model(self, tenant: str) -> ModelRules:
        """Shared by all callers of the tenant."""
        limits: dict[str, tuple[LimitRule, ...]] = {}
        budgets: dict[str, tuple[Budget, ...]] = {}
        for owner in (EVERY_TENANT, tenant):
            for name in self._models.get(owner, ()):
                rules = self._rules[str(Subject("model", name, owner))]
                if rules.limit:
                    limits[name] = (*limits.get(name, ()), rules.limit)
                if rules.budgets:
                    budgets[name] = (*budgets.get(name, ()), *rules.budgets)
        return ModelRules(limits, budgets)
