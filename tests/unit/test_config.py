"""Configuration: what cannot be right is refused, with the key's path and what to do."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.config import ConfigError, LedgerConfig, StackConfig
from app.config.files import PROJECT
from app.config.reference import reference
from app.retrieval.server_collections import versions_collection

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


@pytest.mark.parametrize("length", [-1, 0, "auto", True, None])
def test_a_price_needs_a_context_of_known_size(length: Any) -> None:
    model = {**MODEL, "engine": {"max_model_len": length}}
    assert StackConfig.model_validate({"models": [model]}).model("m").context_window is None
    told = refusal(models=[{**model, "price": {"output_usd_per_million": 1}}])
    assert "a price needs engine.max_model_len, a number of tokens" in told


def test_an_unknown_key_like_no_other_gets_the_list_of_known_ones() -> None:
    problem = refusal(prompts={"zzz": 1})

    assert problem == "prompts.zzz: unknown key; known keys: alias, directory, refresh_s"


@pytest.mark.parametrize("gateway", [{"max_in_progress": 512}, {"max_ongoing_requests": 300}])
def test_a_gateway_that_could_never_shed_load_is_refused_with_what_to_set(gateway: dict[str, int]) -> None:
    problem = refusal(gateway=gateway)

    assert problem.startswith("gateway: max_in_progress (")
    assert "set max_ongoing_requests above" in problem
    assert StackConfig.model_validate({"models": [MODEL], "gateway": {"max_in_progress": 511}})


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
        ({"retrieval": {"rewrite": {"model": "x"}}}, "retrieval.rewrite.model: 'x' is no model or alias; known: m"),
        ({"memory": {"facts": {"model": "x"}}}, "memory.facts.model: 'x' is no model or alias; known: m"),
        ({"ledger": {"lease_s": 5, "heartbeat_s": 5}}, "ledger: heartbeat_s (5) is above a third of lease_s (5)"),
        ({"ledger": {"lease_s": 2}}, "set heartbeat_s to at most 0.667, or lease_s to at least 3"),
        ({"accounts": {"refresh_s": 60}}, "accounts: refresh_s (60) is not below max_stale_s (60)"),
        ({"batches": {"ray_url": "head:8265"}}, "batches.ray_url: must start with http:// or https://"),
        ({"models": [{**MODEL, "source": "~other/m"}]}, "models[0].source: begin it with ~/, or write the whole path"),
        ({"models": [{**MODEL, "source": "models/org/m"}]}, "is no Hugging Face id; a directory begins with /, ./ or"),
        ({"models": [{**MODEL, "revision": "1"}]}, "models[0]: revision names the weights in a directory"),
    ],
)
def test_what_cannot_work_is_refused_with_its_path(sections: dict[str, Any], told: str) -> None:
    assert told in refusal(**sections)


@pytest.mark.parametrize("model", ["m", "m:adapter", "a"])
def test_a_question_may_be_rewritten_by_a_model_an_adapter_or_an_alias(model: str) -> None:
    sections = {"retrieval": {"rewrite": {"model": model}}, "aliases": {"a": {"model": "m"}}}
    assert StackConfig.model_validate({"models": [MODEL], **sections})


@pytest.mark.parametrize(("lease_s", "heartbeat_s"), [(5, 1), (3, 1), (0.15, 0.05), (0.3, 0.1)])
def test_a_heartbeat_may_be_a_third_of_the_lease(lease_s: float, heartbeat_s: float) -> None:
    assert LedgerConfig(lease_s=lease_s, heartbeat_s=heartbeat_s)


SERVER = {"url": "http://qdrant:6333"}


@pytest.mark.parametrize("name", ["knowledge", "knowledge-versions"])
@pytest.mark.parametrize(
    ("cache", "retrieval"),
    [
        ({}, {}),
        (SERVER, SERVER),
        (SERVER, {"url": "http://QDRANT:6333/"}),
        (SERVER, {"url": "http://qdrant"}),
        ({"url": "https://qdrant"}, {"url": "https://qdrant:6333"}),
        (SERVER, {"url": "http://qdrant:7333"}),  # both would speak gRPC to port 6334
    ],
)
def test_the_cache_may_not_have_a_collection_of_the_knowledge_base(
    cache: dict[str, str], retrieval: dict[str, str], name: str
) -> None:
    """Purging the cache would delete documents."""
    semantic = {"enabled": True, "collection": name, **cache}

    told = refusal(cache={"semantic": semantic}, retrieval=retrieval)

    assert told.startswith(f"cache.semantic.collection: the knowledge base has {name!r}")


@pytest.mark.parametrize(
    ("cache", "retrieval"),
    [
        ({"collection": "cache"}, {}),
        (SERVER, {}),
        ({}, SERVER),
        (SERVER, {"url": "http://qdrant:7333", "grpc_port": 7334}),
        (SERVER, {"url": "http://other:6333"}),
        ({"enabled": False}, {}),
    ],
)
def test_elsewhere_and_under_another_name_the_cache_is_by_itself(
    cache: dict[str, Any], retrieval: dict[str, Any]
) -> None:
    semantic = {"enabled": True, "collection": "knowledge", **cache}
    assert StackConfig.model_validate({"models": [MODEL], "cache": {"semantic": semantic}, "retrieval": retrieval})


def test_the_collection_of_versions_is_called_as_the_store_calls_it() -> None:
    assert StackConfig.model_validate({"models": [MODEL]}).knowledge_collections == (
        "knowledge",
        versions_collection("knowledge"),
    )


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


@pytest.mark.parametrize(
    ("source", "directory"),
    [
        ("./models/x", "/srv/sextant/models/x"),
        ("../x", "/srv/sextant/../x"),
        ("/weights/x", "/weights/x"),
        ("~/x", "/home/me/x"),
        ("org/x", None),
        ("x", None),
        ("s3://bucket/a/b", None),
    ],
)
def test_a_source_is_a_directory_by_its_form_wherever_it_is_read(
    source: str, directory: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that reads it may not have the files."""
    monkeypatch.setenv("HOME", "/home/me")
    config = StackConfig.model_validate({"models": [{**MODEL, "source": source}], "home": "/srv/sextant"})

    found = config.checkpoint(config.model("m"))

    assert (None if found is None else str(found)) == directory


def test_a_directory_that_is_written_like_a_hub_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "org" / "m").mkdir(parents=True)

    assert "models[0].source: write './org/m' for the directory in home" in refusal(home=tmp_path)


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
