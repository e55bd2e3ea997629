"""From configuration to ports: presets, keys, and what is refused at start."""

import pickle
from pathlib import Path
from typing import Any, get_args

import pytest

from app.config.errors import ConfigError
from app.config.providers import HostedModelConfig, Preset, ProviderConfig
from app.providers.body import body_for
from app.providers.build import build_providers
from app.providers.key import KeyHeaders, ProviderKey, read_key
from app.providers.presets import PRESETS, UNKNOWN, VLLM_FIELDS
from tests.provider_double import ProviderDouble
from tests.unit.providers.ports import KEY, Config, chat, port_to, provider_set

KEYLESS = {"ollama", "tgi", "vllm", "litellm"}
EVERYTHING: dict[str, Any] = {
    **dict.fromkeys(VLLM_FIELDS, 1),
    "temperature": 0.5,
    "seed": 3,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 1},
    "frequency_penalty": 1,
}


def shaped(preset: Preset, *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return body_for(PRESETS[preset], "chat", chat(**fields), stream=stream, max_output_tokens=100)


def test_every_preset_of_the_configuration_has_its_facts() -> None:
    assert set(PRESETS) == set(get_args(Preset))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_hosts_outside_are_reached_over_tls_and_with_a_key(preset: Preset) -> None:
    facts = PRESETS[preset]
    assert (facts.key_variable is None) == (preset in KEYLESS)
    if facts.base_url:
        assert facts.base_url.startswith("http://localhost:" if preset in KEYLESS else "https://")
        assert not facts.base_url.endswith("/")


async def test_a_model_that_takes_no_sampling_gets_none(double: ProviderDouble) -> None:
    sampling: dict[str, Any] = {"temperature": 0, "top_p": 0.9, "top_k": 40}
    for takes in (True, False):
        async with port_to(double.url, "vllm", hosted={"sampling": takes}) as port:
            await port.complete("chat", chat(**sampling, seed=1), "r1")
        assert double.seen.last
        assert (sampling.keys() <= double.seen.last.body.keys()) is takes
        assert bool(sampling.keys() & double.seen.last.body.keys()) is takes
        assert double.seen.last.body["seed"] == 1


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"litellm", "azure"}))
def test_a_preset_is_enough_to_build_a_port(preset: str) -> None:
    assert set(provider_set(preset=preset).models) == {"m"}


@pytest.mark.parametrize(
    ("preset", "kept"),
    [
        ("openai", {"seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty"}),
        ("azure", {"seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty"}),
        ("gemini", {"logprobs", "top_logprobs"}),
        ("mistral", {"random_seed", "frequency_penalty"}),
        ("groq", {"seed", "frequency_penalty"}),
        (
            "openrouter",
            {"seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "top_k", "min_p"}
            | {"repetition_penalty"},
        ),
        ("vllm", {*VLLM_FIELDS, "seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty"}),
        (
            "ollama",
            {*VLLM_FIELDS, "seed", "logprobs", "top_logprobs", "logit_bias", "frequency_penalty"} - {"priority"},
        ),
    ],
)
def test_each_provider_gets_the_fields_that_it_knows(preset: Preset, kept: set[str]) -> None:
    body = shaped(preset, **EVERYTHING)
    common = {"model", "messages", "temperature", PRESETS[preset].tokens_field}
    assert set(body) - common == kept


@pytest.mark.parametrize("asked", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_an_answer_has_the_providers_name_for_it(asked: str) -> None:
    fields: dict[str, Any] = {asked: 7}
    assert shaped("openai", **fields)["max_completion_tokens"] == 7
    assert "max_tokens" not in shaped("openai", **fields)
    assert shaped("mistral", **fields)["max_tokens"] == 7
    assert "max_completion_tokens" not in shaped("mistral", **fields)


def test_an_answer_without_a_limit_gets_the_models() -> None:
    assert shaped("ollama")["max_tokens"] == 100


def test_streams_ask_for_their_usage_where_that_is_known() -> None:
    assert shaped("openai", stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in shaped("mistral", stream=True, stream_options={"include_usage": True})
    assert not {"stream", "stream_options"} & set(shaped("openai", stream_options={"include_usage": True}))


def test_roles_and_names_that_a_provider_refuses_are_put_right() -> None:
    messages = [{"role": "developer", "content": "d"}, {"role": "tool", "content": "t", "name": "n"}]
    body = body_for(PRESETS["groq"], "chat", {"model": "m", "messages": messages}, stream=False, max_output_tokens=1)
    assert body["messages"] == [{"role": "system", "content": "d"}, {"role": "tool", "content": "t"}]
    body = body_for(PRESETS["openai"], "chat", {"model": "m", "messages": messages}, stream=False, max_output_tokens=1)
    assert body["messages"] == messages


def test_the_callers_body_is_left_alone() -> None:
    body = chat(max_tokens=5, top_k=3, stream=True)
    before = repr(body)
    body_for(UNKNOWN, "chat", body, stream=False, max_output_tokens=1)
    assert repr(body) == before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"preset": "azure", "api_version": "v"}, "providers.p.base_url: missing"),
        ({"preset": "azure", "base_url": "https://x.openai.azure.com"}, "providers.p.api_version: missing"),
        ({"preset": "openai", "api_key_env": "NOT_SET"}, "providers.p: set NOT_SET"),
        ({"preset": "openai", "api_key_file": "nothing"}, "providers.p.api_key_file: .*nothing cannot be read"),
        ({"preset": "openai", "ca_file": "nothing"}, "providers.p.ca_file: cannot be read"),
    ],
)
def test_what_cannot_work_is_refused_at_start(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        provider_set(**settings)


def test_all_missing_keys_are_named_at_once_and_unused_providers_need_none() -> None:
    config = Config(
        {name: ProviderConfig(preset=name) for name in ("openai", "groq", "mistral")},
        tuple(HostedModelConfig(id=name, provider=name) for name in ("openai", "groq")),
    )
    with pytest.raises(ConfigError) as caught:
        build_providers(config, Path(), {})
    assert len(caught.value.problems) == 2
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "GROQ_API_KEY" in str(caught.value)


def test_a_key_comes_from_file_before_variable_before_preset(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    environment = {"MINE": "from-variable", "PRESETS": "from-preset"}

    def read(**settings: Any) -> str:
        key = read_key("p", ProviderConfig(preset="openai", **settings), "PRESETS", tmp_path, environment)
        assert key
        return key.reveal()

    assert read(api_key_file="key", api_key_env="MINE") == "from-file"
    assert read(api_key_env="MINE") == "from-variable"
    assert read() == "from-preset"


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "schlüssel"])
def test_what_no_header_can_carry_is_no_key(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_key("p", ProviderConfig(preset="openai"), "V", Path(), {"V": value})
    assert not value.strip() or value not in str(caught.value)


def test_a_key_shows_itself_nowhere() -> None:
    key = ProviderKey(KEY)
    made = provider_set(preset="openai")
    for text in (repr(key), str(key), f"{key}", f"{key!r:>40}", repr(KeyHeaders(a=KEY)), repr(made), repr(vars(made))):
        assert KEY not in text
    with pytest.raises(TypeError):
        pickle.dumps(key)
