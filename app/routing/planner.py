"""Planner: from the name in a request to the targets that may answer it, in order, and why."""

from collections.abc import Mapping
from random import Random

from app.accounts.types import Caller
from app.config.routing import AliasConfig
from app.errors import InvalidRequest
from app.retrieval.types import Vector
from app.routing.alias import Alias, Split, TierClassifier, Tiers, resolve
from app.routing.board import TargetBoard
from app.routing.catalogue import Catalogue
from app.routing.policies import Candidate, Choice, ordered
from app.routing.split import is_in
from app.routing.target import Target
from app.routing.types import Plan
from app.wire.extension import RoutingRequest


class Planner:
    """Makes a plan for each request. Nothing in it waits.

    `classifiers` are keyed by `tiers.classifier`; an alias whose classifier is not there asks its large model.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        aliases: Mapping[str, AliasConfig],
        board: TargetBoard,
        *,
        classifiers: Mapping[str, TierClassifier] | None = None,
        random: Random | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._aliases = {name: resolve(name, alias, catalogue, classifiers) for name, alias in aliases.items()}
        self._board = board
        self._random = random or Random()  # noqa: S311 (chance, no secret)

    def needs_vector(self, name: str, wish: RoutingRequest) -> bool:
        """Whether the plan depends on the question's embedding."""
        alias = self._aliases.get(name)
        has_classifier = alias is not None and alias.tiers is not None and alias.tiers.classifier is not None
        return has_classifier and wish.model is None and wish.tier is None

    def answering(self, name: str, caller: Caller, wish: RoutingRequest) -> tuple[Target, ...]:
        """The models whose answers this caller may get in the first place: what a cache key is made of.

        Known before there is a vector. Fallbacks are not among them. Raises as `plan` does.
        """
        alias = self._aliases.get(name) or self._model(name)
        if choice := self._asked_for(alias, wish):
            candidates = choice.order
        elif alias.tiers and wish.tier:
            candidates = (alias.tiers.small if wish.tier == "small" else alias.tiers.large,)
        elif canary := self._canary(alias, caller, wish):
            candidates = (canary.candidate, *alias.candidates)
        else:
            candidates = alias.candidates
        return tuple(candidate.target for candidate in candidates)

    def plan(self, name: str, caller: Caller, wish: RoutingRequest, vector: Vector | None = None) -> Plan:
        """The plan for a model or alias. Raises ModelNotFound, and InvalidRequest for a wish that cannot be met.

        Targets whose breaker keeps them out go to the end, the one that is back first in front; they are
        asked if they are back by then. `reason` names them.
        """
        alias = self._aliases.get(name) or self._model(name)
        choice = self._asked_for(alias, wish) or self._with_canary(alias, caller, wish, vector)
        waits = [(self._board.retry_after_s(candidate.target), candidate) for candidate in choice.order]
        waits.sort(key=lambda pair: pair[0])  # stable: those in rotation keep their order
        out = [candidate.name for wait_s, candidate in waits if wait_s]
        order = dict.fromkeys(candidate.target for _, candidate in waits)
        return Plan(
            order=tuple(order) if wish.fallbacks else tuple(order)[:1],
            reason=choice.reason + (f"; out: {', '.join(out)}" if out else ""),
            fallbacks=dict(alias.fallbacks) if wish.fallbacks else {},
            shadow=self._shadow(alias, caller, wish),
        )

    def _asked_for(self, alias: Alias, wish: RoutingRequest) -> Choice | None:
        """What the request itself chooses; None: it leaves that to us."""
        if wish.tier is not None and alias.tiers is None:
            raise InvalidRequest(f"{alias.name!r} has no tiers to choose from.", param="sextant.routing.tier")
        if wish.model is None:
            return None
        if wish.model not in alias.mentioned:
            raise InvalidRequest(f"{wish.model!r} is no model of {alias.name!r}.", param="sextant.routing.model")
        return Choice((Candidate(wish.model, self._catalogue.target(wish.model), 1),), "asked for")

    def _with_canary(self, alias: Alias, caller: Caller, wish: RoutingRequest, vector: Vector | None) -> Choice:
        """The policy's choice, behind the canary for those who get it."""
        choice = self._tiered(alias.tiers, wish, vector) if alias.tiers else self._by_policy(alias)
        canary = self._canary(alias, caller, wish)
        if canary is None:
            return choice
        first = canary.candidate
        order = (first, *(candidate for candidate in choice.order if candidate.target != first.target))
        is_up = self._board.is_available(first.target)
        return Choice(order, f"canary {canary.config.percent:g}%" if is_up else choice.reason)

    @staticmethod
    def _canary(alias: Alias, caller: Caller, wish: RoutingRequest) -> Split | None:
        """The canary, for those who get it; who asks for a tier gets that tier."""
        canary = alias.canary
        if canary is None or not wish.splits or wish.tier or not is_in("canary", alias.name, canary.config, caller):
            return None
        return canary

    def _by_policy(self, alias: Alias) -> Choice:
        if len(alias.candidates) == 1:
            return Choice(alias.candidates, "only target")
        up = [candidate for candidate in alias.candidates if self._board.is_available(candidate.target)]
        # Chosen among those that can be had: the others would distort shares and reasons.
        choice = alias.choose(up or alias.candidates, self._board, self._random)
        rest = (candidate for candidate in alias.candidates if candidate not in choice.order)
        return Choice((*choice.order, *rest), choice.reason)

    def _tiered(self, tiers: Tiers, wish: RoutingRequest, vector: Vector | None) -> Choice:
        """Small where the classifier trusts it; large where nobody knows."""
        if wish.tier:
            is_small, why = wish.tier == "small", "asked for"
        elif tiers.classifier is None:
            is_small, why = False, "no classifier"
        elif vector is None:
            is_small, why = False, "no vector"
        else:
            p = tiers.classifier.probability(vector)
            is_small = p >= tiers.threshold
            why = f"p={p:.3f} {'>=' if is_small else '<'} {tiers.threshold:.3f}"
        order = (tiers.small, tiers.large) if is_small else (tiers.large, tiers.small)
        return Choice(order, f"tier {'small' if is_small else 'large'}: {why}")

    def _shadow(self, alias: Alias, caller: Caller, wish: RoutingRequest) -> Target | None:
        shadow = alias.shadow
        if shadow is None or not wish.splits or not is_in("shadow", alias.name, shadow.config, caller):
            return None
        return shadow.candidate.target

    def _model(self, name: str) -> Alias:
        """A model's own name. Raises ModelNotFound."""
        only = Candidate(name, self._catalogue.target(name), 1)
        return Alias(name, (only,), ordered, frozenset({name}), {})
