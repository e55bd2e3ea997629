"""The official clients, unchanged, against the gateway on a real socket."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.unit.bench import API_KEY, Bench, stack_config
from tests.unit.dialects.scripted import ScriptedModel
from tests.unit.wire import served

# One model fails for many tests: nothing must keep it out, and nothing is tried twice.
PATIENT = {"breaker_failures": 1_000_000, "retries_per_target": 0}


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    """One server for all tests that need no bench of their own."""
    bench = Bench(stack_config(tmp_path_factory.mktemp("dialects"), routing=PATIENT))
    bench.model = ScriptedModel()
    with served(bench) as url:
        yield bench, url


@pytest.fixture
def model(standing: tuple[Bench, str]) -> ScriptedModel:
    """The model that answers, as new; a test writes its script."""
    model = standing[0].model
    assert isinstance(model, ScriptedModel)
    vars(model).update(vars(ScriptedModel()))
    return model


@pytest.fixture
def url(standing: tuple[Bench, str], model: ScriptedModel) -> str:
    return standing[1]


@pytest.fixture
def oai(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=API_KEY, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def claude(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key=API_KEY, max_retries=0, timeout=10) as client:
        yield client
