"""Configuration: what cannot be right is refused, with the key's path and what to do."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.config import ConfigError, StackConfig
from app.config.files import PROJECT
from app.config.reference import reference

MODEL: dict[str, Any] = {"id": "m", "source": "org/m", "device": "cpu"}


def refusal(**sections: Any) -> str:
    """The one problem that the configuration is refused for."""
    with pytest.raises(ConfigError) as raised:
        StackConfig.model_validate({"models": [MODEL], **sections})
    (problem,) = raised.value.problems
    assert problem in str(raised.value)
    return problem


def test_a_model_is_all_that_a_stack_needs() -> None:
    config = StackConfig.model_validate({"models": [MODEL]})

    assert config.guard.enabled
    assert config.cache.enabled
    assert config.observability.capture_content is False
    assert config.model("m").source == "org/m"


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"gard": {}}, "gard: unknown key; did you mean 'guard'?"),
        ({"guard": {"polices": {}}}, "guard.polices: unknown key; did you mean 'policies'?"),
        (
            {"gateway": {"request_timeout": 3}},
            "gateway.request_timeout: unknown key; did you mean 'request_timeout_s'?",
        ),
        ({"cache": {"ttl": 3}}, "cache.ttl: unknown key; did you mean 'ttl_s'?"),
        (
            {"models": [MODEL, {**MODEL, "id": "n", "replicas": {"mim": 1}}]},
            "models[1].replicas.mim: unknown key; did you mean 'min'?",
        ),
        ({"aliases": {"a": {"modle": "m", "model": "m"}}}, "aliases.a.modle: unknown key; did you mean 'model'?"),
        ({"models": [{**MODEL, "lora": {"path": "s3://x", "pth": 1}}]}, "models[0].lora.pth: unknown key; did you"),
    ],
)
def test_an_unknown_key_is_told_by_its_path_and_a_near_name(sections: dict[str, Any], told: str) -> None:
    assert refusal(**sections).startswith(told)


def test_an_unknown_key_like_no_other_gets_the_list_of_known_ones() -> None:
    problem = refusal(prompts={"zzz": 1})

    assert problem == "prompts.zzz: unknown key; known keys: alias, directory, refresh_s"


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"gateway": {"request_timeout_s": "30s"}}, "gateway.request_timeout_s: '30s' is not a number; the unit is"),
        ({"cache": {"timeout_ms": "50ms"}}, "give milliseconds as a bare number"),
        ({"cache": {"memory_mb": "64MB"}}, "give megabytes as a bare number"),
        ({"gateway": {"max_body_bytes": "1kB"}}, "give bytes as a bare number"),
        (
            {"models": [{**MODEL, "replicas": {"upscale_delay_s": "1 min"}}]},
            "models[0].replicas.upscale_delay_s: '1 min'",
        ),
    ],
)
def test_a_unit_in_the_value_is_refused_with_the_unit_to_give(sections: dict[str, Any], told: str) -> None:
    assert told in refusal(**sections)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"models": [{**MODEL, "accelerator_type": "L4"}]}, "models[0]: accelerator_type L4 needs device: gpu"),
        ({"models": [{**MODEL, "replicas": {"min": 3, "max": 2}}]}, "models[0].replicas: min (3) is above max (2)"),
        ({"models": [{**MODEL, "engine": {"model": "x"}}]}, "models[0].engine: model is set by models[].source"),
        ({"models": [{**MODEL, "engine": {"chat_template": "x"}}]}, "is set by models[].chat_template; remove it here"),
        ({"models": [{**MODEL, "lora": {"path": "/adapters"}}]}, "models[0].lora.path: must start with s3://"),
        ({"models": [MODEL, MODEL]}, "'m' names two things"),
        ({"aliases": {"m": {"model": "m"}}}, "'m' names two things"),
        ({"embedder": {"id": "m"}}, "'m' names two things"),
        ({"aliases": {"a": {"model": "x"}}}, "aliases.a: 'x' is no model; known: m"),
        ({"guard": {"policy": {"input": [{"rail": "pii", "entities": []}]}}}, "guard.policy.input[0].pii.entities: "),
        (
            {"guard": {"policy": {"input": [{"rail": "pii", "on_failure": "ajar"}]}}},
            "guard.policy.input[0].pii.on_failure: input should be 'closed' or 'open' (got 'ajar')",
        ),
        ({"guard": {"policy": {"input": [{"rail": "injection"}] * 2}}}, "two rails are called 'injection'"),
        ({"guard": {"policy": "nowhere.yaml"}}, "cannot read the policy file nowhere.yaml"),
        ({"guard": {"tenants": {"acme": "strict"}}}, "guard.tenants.acme: 'strict' is no policy; known: default"),
        ({"guard": {"policies": {"default": {}}}}, "choose another name"),
        ({"aliases": {"a": {"model": "m", "guard": "strict"}}}, "aliases.a.guard: 'strict' is no policy"),
        (
            {"guard": {"policy": {"input": [{"rail": "safety_model", "model": "x"}]}}},
            "the policy 'default' asks 'x' at input, which is no model; known: m",
        ),
        ({"cache": {"url": "http://valkey"}}, "cache.url: must start with redis://"),
        ({"retrieval": {"top_k": 0}}, "retrieval.top_k: input should be greater than or equal to 1"),
        ({"retrieval": {"collection": "Not This"}}, "retrieval.collection: "),
        ({"gateway": {"max_json_depth": 1000}}, "gateway.max_json_depth: "),
        ({"models": []}, "models: "),
        ({"models": [{"id": "m"}]}, "models[0].source: missing; add it"),
        ({"models": [{**MODEL, "id": "a model"}]}, "models[0].id: "),
        ({"aliases": {"a": {}}}, "aliases.a: needs one of model, targets and tiers"),
    ],
)
def test_what_cannot_work_is_refused_with_its_path(sections: dict[str, Any], told: str) -> None:
    assert told in refusal(**sections)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        StackConfig.model_validate({"models": [{"id": "m"}], "cahce": {}, "guard": {"timeout_ms": -1}})

    assert len(raised.value.problems) == 3
    assert str(raised.value).startswith("Configuration refused:\n  - ")


def test_several_ingress_replicas_may_share_a_server_or_no_cache() -> None:
    for cache in ({"url": "redis://valkey:6379"}, {"enabled": False}):
        assert StackConfig.model_validate({"models": [MODEL], "gateway": {"replicas": 2}, "cache": cache})


def test_nothing_can_be_changed_after_start() -> None:
    config = StackConfig.model_validate({"models": [MODEL]})

    for section, name, value in ((config.guard, "enabled", False), (config, "models", ())):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, value)


def test_relative_paths_lie_in_home() -> None:
    config = StackConfig.model_validate({"models": [MODEL], "home": "/srv/sextant"})

    assert config.path("models/x") == Path("/srv/sextant/models/x")
    assert config.path("/elsewhere/x") == Path("/elsewhere/x")


def test_home_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEXTANT_HOME", "/srv/state")

    assert StackConfig.model_validate({"models": [MODEL]}).home == Path("/srv/state")


def test_the_reference_page_is_what_the_models_say() -> None:
    page = PROJECT / "docs" / "configuration.md"

    assert page.read_text() == reference(), "run `make config-reference`"


def test_every_setting_is_described() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]

    assert len(rows) > 60
    assert not [row for row in rows if row.rstrip().endswith("|  |")]
