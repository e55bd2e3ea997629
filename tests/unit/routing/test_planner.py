"""Plans: who is asked first, why, and what a request may choose for itself."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from app.accounts.types import Caller
from app.config import StackConfig
from app.config.routing import RoutingConfig
from app.errors import InvalidRequest, ModelNotFound, SextantError, UpstreamFailed, UpstreamRateLimited
from app.retrieval.types import Vector
from app.routing.board import TargetBoard
from app.routing.catalogue import Catalogue
from app.routing.planner import Planner
from app.routing.types import Plan
from app.wire.extension import RoutingRequest

CALLER = Caller("default", "key-1", customer="acme")
VECTOR: Vector = np.zeros(4, dtype=np.float32)
TIERS = {"policy": "cost-tiered", "tiers": {"small": "a", "large": "b"}}


class Classifier:
    """Says 0.8 of every prompt."""

    asked_for: float | None = None

    def probability(self, vector: Vector) -> float:
        return 0.8

    def threshold_for(self, target_quality: float) -> float:
        self.asked_for = target_quality
        return 0.74


class Desk:
    """A planner over models a, b, c (hosted) and `local` (with adapters), and its board in a time of its own."""

    def __init__(self, home: Path, seed: int = 0, classifier: Classifier | None = None, **aliases: Any) -> None:
        config = StackConfig.model_validate(
            {
                "home": home,
                "models": [
                    {"id": "local", "source": "org/m", "engine": {"max_model_len": 2048}, "lora": {"path": "s3://b/l"}},
                    {"id": "bare", "source": "org/n"},
                ],
                "providers": {"p": {"base_url": "http://127.0.0.1:1/v1"}},
                "hosted": [
                    {"id": "a", "provider": "p", "model": "a-2026", "context_window": 1000, "max_output_tokens": 64},
                    {"id": "b", "provider": "p", "price": {"output_usd_per_million": 3}},
                    {"id": "c", "provider": "p"},
                ],
                "aliases": aliases,
            }
        )
        self.now = 0.0
        self.board = TargetBoard(RoutingConfig(breaker_failures=1, breaker_cooldown_s=10), clock=lambda: self.now)
        self.catalogue = Catalogue(config)
        classifiers = {"router/tiers.npz": classifier} if classifier else {}
        self.planner = Planner(self.catalogue, config.aliases, self.board, classifiers=classifiers, random=Random(seed))

    def plan(self, name: str, vector: Vector | None = None, caller: Caller = CALLER, **wish: Any) -> Plan:
        return self.planner.plan(name, caller, RoutingRequest(**wish), vector)

    def fail(self, name: str, error: SextantError | None = None) -> None:
        call = self.board.begin(self.catalogue.target(name))
        assert call
        call.ended(error or UpstreamFailed("down"))

    def answer(self, name: str, seconds: float) -> None:
        call = self.board.begin(self.catalogue.target(name))
        assert call
        self.now += seconds
        call.answered()
        call.ended()


def ids(plan: Plan) -> list[str]:
    return [target.id for target in plan.order]


def targets(*names: str) -> list[dict[str, Any]]:
    return [{"model": name} for name in names]


def test_a_models_own_name_is_a_plan_with_one_target(tmp_path: Path) -> None:
    plan = Desk(tmp_path).plan("a")
    (only,) = plan.order
    assert (only.engine_model, only.kind, only.context_window, only.max_output_tokens) == ("a-2026", "hosted", 1000, 64)
    assert (plan.reason, plan.fallbacks, plan.shadow) == ("only target", {}, None)


def test_an_adapter_is_asked_for_at_its_bases_port(tmp_path: Path) -> None:
    (only,) = Desk(tmp_path).plan("local:poet").order
    assert (only.id, only.engine_model, only.kind, only.context_window) == ("local", "local:poet", "local", 2048)


@pytest.mark.parametrize("name", ["nobody", "local:", "bare:poet", "a:poet", ""])
def test_names_of_nothing_are_404(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound):
        Desk(tmp_path).plan(name)


@pytest.mark.parametrize("adapter", ["poet", "poet-v1.2_b", "7", "p" * 64])
def test_an_adapters_name_is_a_folders(tmp_path: Path, adapter: str) -> None:
    (only,) = Desk(tmp_path).plan(f"local:{adapter}").order
    assert only.engine_model == f"local:{adapter}"


@pytest.mark.parametrize(
    "adapter",
    [
        *("anonymous@evil-bucket/weights", "a/b", "/etc", "..", "../x", "a..b", ".hidden", "a:b", "a@b", "a%2fb"),
        *("a?b", "a#b", "a b", "a\\b", "poet\n", "ä", "-poet", "p" * 65),
    ],
)
def test_an_adapters_name_cannot_lead_to_another_place(tmp_path: Path, adapter: str) -> None:
    with pytest.raises(ModelNotFound):
        Desk(tmp_path).plan(f"local:{adapter}")


def test_ordered_keeps_the_order_and_moves_open_breakers_to_its_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"targets": targets("a", "b", "c")})
    assert (ids(desk.plan("chat")), desk.plan("chat").reason) == (["a", "b", "c"], "ordered")
    desk.fail("a")
    desk.now = 1
    desk.fail("b", UpstreamRateLimited("slow down", retry_after_s=2))
    plan = desk.plan("chat")
    assert ids(plan) == ["c", "b", "a"], "the one that is back first in front"
    assert plan.reason == "ordered; out: b, a"
    desk.now = 10
    assert ids(desk.plan("chat")) == ["a", "b", "c"], "a half-open breaker needs a request for its trial"


def test_weighted_keeps_the_weights_also_among_those_that_are_left(tmp_path: Path) -> None:
    chat = {"policy": "weighted", "targets": [{"model": n, "weight": w} for n, w in (("a", 6), ("b", 3), ("c", 1))]}
    desk = Desk(tmp_path, chat=chat)
    plans = [desk.plan("chat") for _ in range(4000)]
    first = Counter(ids(plan)[0] for plan in plans)
    assert {name: round(count / 4000, 1) for name, count in first.items()} == {"a": 0.6, "b": 0.3, "c": 0.1}
    assert {(ids(plan)[0], plan.reason) for plan in plans} == {
        ("a", "weighted 0.60"),
        ("b", "weighted 0.30"),
        ("c", "weighted 0.10"),
    }
    second = Counter(ids(plan)[1] for plan in plans if ids(plan)[0] == "a")
    assert second["b"] / second.total() == pytest.approx(0.75, abs=0.04)
    desk.fail("a")
    plans = [desk.plan("chat") for _ in range(4000)]
    first = Counter(ids(plan)[0] for plan in plans)
    assert first["b"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert {plan.reason for plan in plans} == {"weighted 0.75; out: a", "weighted 0.25; out: a"}


def test_least_busy_counts_the_calls_in_flight(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"policy": "least-busy", "targets": targets("a", "b", "c")})
    assert ids(desk.plan("chat")) == ["a", "b", "c"]
    calls = [desk.board.begin(desk.catalogue.target(name)) for name in ("a", "a", "b")]
    plan = desk.plan("chat")
    assert (ids(plan), plan.reason) == (["c", "b", "a"], "least-busy: 0 in flight")
    for call in calls:
        assert call
        call.ended()
    assert ids(desk.plan("chat")) == ["a", "b", "c"]


def test_latency_asks_the_unknown_first_then_the_fastest_and_forgets(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"policy": "latency", "targets": targets("a", "b", "c")})
    desk.answer("a", 0.5)
    desk.answer("b", 0.2)

    def usual() -> Plan:
        return next(plan for plan in (desk.plan("chat") for _ in range(100)) if "exploring" not in plan.reason)

    assert (ids(usual()), usual().reason) == (["c", "b", "a"], "latency: unknown")
    waiting = desk.board.begin(desk.catalogue.target("c"))
    assert ids(usual()) == ["b", "a", "c"], "a burst does not go to an unknown target whole"
    assert usual().reason == "latency: 200 ms"
    assert waiting
    waiting.abandoned()
    desk.now += 60
    desk.answer("b", 0.9)
    assert ids(usual())[1:] == ["a", "b"], "a minute later the old value weighs next to nothing"


def test_latency_explores_a_small_share(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"policy": "latency", "targets": targets("a", "b")})
    desk.answer("a", 0.1)
    desk.answer("b", 9)
    plans = [desk.plan("chat") for _ in range(4000)]
    assert sum(plan.reason == "latency: exploring" for plan in plans) / 4000 == pytest.approx(0.05, abs=0.015)
    assert 40 < sum(ids(plan)[0] == "b" for plan in plans) < 170


@pytest.mark.parametrize(
    ("config", "vector", "wish", "order", "reason"),
    [
        ({}, VECTOR, {}, ["a", "b"], "tier small: p=0.800 >= 0.740"),
        ({"threshold": 0.9}, VECTOR, {}, ["b", "a"], "tier large: p=0.800 < 0.900"),
        ({}, None, {}, ["b", "a"], "tier large: no vector"),
        ({}, VECTOR, {"tier": "large"}, ["b", "a"], "tier large: asked for"),
        ({}, None, {"tier": "small"}, ["a", "b"], "tier small: asked for"),
    ],
)
def test_tiers_go_by_the_classifier_or_by_the_wish(
    tmp_path: Path, config: dict[str, Any], vector: Vector | None, wish: Any, order: list[str], reason: str
) -> None:
    tiers = {"small": "a", "large": "b", "target_quality": 0.9, **config}
    classifier = Classifier()
    desk = Desk(tmp_path, classifier=classifier, chat={"policy": "cost-tiered", "tiers": tiers})
    plan = desk.plan("chat", vector, **wish)
    assert (ids(plan), plan.reason) == (order, reason)
    assert classifier.asked_for == (None if "threshold" in config else 0.9)
    assert desk.planner.needs_vector("chat", RoutingRequest(**wish)) == (not wish)


def test_without_a_classifier_the_large_model_is_asked_and_no_vector_needed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat=TIERS)
    plan = desk.plan("chat", VECTOR)
    assert (ids(plan), plan.reason) == (["b", "a"], "tier large: no classifier")
    assert not desk.planner.needs_vector("chat", RoutingRequest())
    assert not desk.planner.needs_vector("a", RoutingRequest())


def test_a_tier_that_is_out_is_told_in_the_reason(tmp_path: Path) -> None:
    desk = Desk(tmp_path, classifier=Classifier(), chat=TIERS)
    desk.fail("a")
    plan = desk.plan("chat", VECTOR)
    assert (ids(plan), plan.reason) == (["b", "a"], "tier small: p=0.800 >= 0.740; out: a")


def test_fallbacks_go_by_class_with_any_for_the_rest_and_money_apart(tmp_path: Path) -> None:
    chat = {"model": "a", "fallbacks": {"down": ["b"], "any": ["c", "local:poet"]}, "budget_fallback": "bare"}
    desk = Desk(tmp_path, chat=chat)
    fallbacks = {kind: [t.engine_model for t in found] for kind, found in desk.plan("chat").fallbacks.items()}
    rest = ["c", "local:poet"]
    assert fallbacks == {
        "context_window": rest,
        "content_policy": rest,
        "rate_limit": rest,
        "down": ["b"],
        "unsupported": rest,
        "budget": ["bare"],
    }


def test_a_wish_forces_a_model_that_the_alias_mentions(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"targets": targets("a", "b"), "fallbacks": {"down": ["c"]}})
    plan = desk.plan("chat", model="b")
    assert (ids(plan), plan.reason, list(plan.fallbacks)) == (["b"], "asked for", ["down"])
    assert ids(desk.plan("chat", model="c")) == ["c"]
    with pytest.raises(InvalidRequest) as raised:
        desk.plan("chat", model="local")
    assert raised.value.param == "sextant.routing.model"
    with pytest.raises(InvalidRequest) as raised:
        desk.plan("chat", tier="small")
    assert raised.value.param == "sextant.routing.tier"
    with pytest.raises(InvalidRequest):
        desk.plan("a", model="b")


def test_without_fallbacks_there_is_one_target_and_it_is_one_that_is_up(tmp_path: Path) -> None:
    chat = {"targets": targets("a", "b"), "fallbacks": {"any": ["c"]}, "budget_fallback": "c"}
    desk = Desk(tmp_path, chat=chat)
    plan = desk.plan("chat", fallbacks=False)
    assert (ids(plan), plan.fallbacks) == (["a"], {})
    desk.fail("a")
    assert ids(desk.plan("chat", fallbacks=False)) == ["b"]


def test_a_canary_stands_before_the_policys_choice_unless_it_is_out_or_not_wanted(tmp_path: Path) -> None:
    chat = {"targets": targets("a", "b"), "canary": {"model": "c", "percent": 100}}
    desk = Desk(tmp_path, classifier=Classifier(), chat=chat, tiered={**TIERS, "canary": chat["canary"]})
    plan = desk.plan("chat")
    assert (ids(plan), plan.reason) == (["c", "a", "b"], "canary 100%")
    assert ids(desk.plan("chat", splits=False)) == ["a", "b"]
    assert ids(desk.plan("chat", model="b")) == ["b"]
    assert ids(desk.plan("tiered", VECTOR, tier="large")) == ["b", "a"]
    desk.fail("c")
    plan = desk.plan("chat")
    assert (ids(plan), plan.reason) == (["a", "b", "c"], "ordered; out: c")


def test_a_shadow_changes_nothing_of_the_plan(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chat={"model": "a", "shadow": {"model": "b", "percent": 100}})
    plan = desk.plan("chat")
    assert (ids(plan), plan.reason) == (["a"], "only target")
    assert plan.shadow == desk.catalogue.target("b")
    assert desk.plan("chat", splits=False).shadow is None
