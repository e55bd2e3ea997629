"""What is known of each provider: its address, the name of its key's variable, and what its wire does not take.

Gathered in November 2026 from public documentation and from error answers that others reported. None of it was
tried against a provider: the tests speak to doubles. A field that is missing in `drops` is refused by the provider,
as an InvalidRequest with its sentence.

- OpenAI: `max_tokens` is deprecated, and reasoning models refuse it: `max_completion_tokens`. A tool call's id of
  more than 40 characters is a 400, also through Azure and OpenRouter.
- Azure: `api-key` header; the v1 API needs no `api-version`, the dated one has the deployment in its path.
- Gemini: unknown fields are a 400; `seed`, both penalties and `logit_bias` have been answered so. A wrong
  key is a 400 too (`failures` knows). Gemini 3 refuses a tool call of its own that comes back without its
  `extra_content.google.thought_signature`.
- Mistral: unknown fields are a 422 (`extra_forbidden`), `stream_options` and `max_completion_tokens`
  among them; `seed` is called `random_seed`; the last chunk of a stream always has the usage.
  A tool call's id is nine letters and digits.
- Anthropic: a tool call's id has letters, digits, `_` and `-` alone.
- Groq: `logprobs`, `top_logprobs`, `logit_bias` and `messages[].name` are a 400.
- Together, OpenRouter: take `top_k`, `min_p` and `repetition_penalty` as vLLM does.
- Ollama: takes `max_tokens`, not `max_completion_tokens`; needs no key, as TGI and vLLM do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.config.providers import Dialect, Preset

# Fields of our wire that OpenAI's does not have.
VLLM_FIELDS = frozenset(
    {
        "top_k",
        "min_p",
        "repetition_penalty",
        "min_tokens",
        "ignore_eos",
        "skip_special_tokens",
        "priority",
    }
)
# How OpenAI caches prompts. Unknown fields are refused by some, so others do not get them.
CACHE_FIELDS = frozenset({"prompt_cache_key", "prompt_cache_retention"})
_DROPS = VLLM_FIELDS | CACHE_FIELDS
_OPENAI_CALL_IDS = ".{1,40}"
_SAMPLERS = frozenset({"top_k", "min_p", "repetition_penalty"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a provider takes. The defaults are those of an endpoint that nothing is known of."""

    base_url: str | None = None
    dialect: Dialect = "openai"
    key_variable: str | None = None  # None: no key needed
    tokens_field: str = "max_tokens"  # what bounds a chat answer
    stream_usage: bool = True  # takes stream_options
    developer_role: bool = False  # else such messages become system messages
    drops: frozenset[str] = _DROPS
    renames: Mapping[str, str] | None = None
    message_names: bool = True  # takes messages[].name
    call_ids: str | None = None  # the pattern of tool calls' ids; None: any
    thought_signatures: bool = False  # takes tool calls' extra_content
    request_id_header: str = "x-request-id"


UNKNOWN = Facts()

PRESETS: Mapping[Preset, Facts] = {
    "openai": Facts(
        "https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        drops=VLLM_FIELDS,
        tokens_field="max_completion_tokens",
        developer_role=True,
        call_ids=_OPENAI_CALL_IDS,
        request_id_header="x-client-request-id",
    ),
    "azure": Facts(
        dialect="azure",
        key_variable="AZURE_OPENAI_API_KEY",
        drops=VLLM_FIELDS,
        tokens_field="max_completion_tokens",
        developer_role=True,
        call_ids=_OPENAI_CALL_IDS,
        request_id_header="x-ms-client-request-id",
    ),
    "anthropic": Facts(
        "https://api.anthropic.com/v1",
        dialect="anthropic",
        key_variable="ANTHROPIC_API_KEY",
        call_ids="[a-zA-Z0-9_-]+",
    ),
    "gemini": Facts(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable="GEMINI_API_KEY",
        drops=_DROPS | {"seed", "frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls"},
        thought_signatures=True,
    ),
    "mistral": Facts(
        "https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        stream_usage=False,
        drops=_DROPS | {"logit_bias", "logprobs", "top_logprobs"},
        renames={"seed": "random_seed"},
        message_names=False,
        call_ids="[a-zA-Z0-9]{9}",
    ),
    "groq": Facts(
        "https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        tokens_field="max_completion_tokens",
        drops=_DROPS | {"logit_bias", "logprobs", "top_logprobs"},
        message_names=False,
    ),
    "together": Facts("https://api.together.xyz/v1", key_variable="TOGETHER_API_KEY", drops=_DROPS - _SAMPLERS),
    "openrouter": Facts(
        "https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        drops=_DROPS - _SAMPLERS,
        call_ids=_OPENAI_CALL_IDS,
    ),
    "ollama": Facts("http://localhost:11434/v1", drops=CACHE_FIELDS | {"priority"}),
    "tgi": Facts("http://localhost:8080/v1", drops=CACHE_FIELDS | {"priority"}),
    "vllm": Facts("http://localhost:8000/v1", drops=CACHE_FIELDS, developer_role=True),
    "litellm": Facts(dialect="litellm"),
}
