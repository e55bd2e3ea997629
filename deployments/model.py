"""The model deployments: vLLM through Ray Serve LLM. The only file that imports `ray.serve.llm`."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import orjson
from pydantic import ValidationError
from ray.llm._internal.common.callbacks.base import CallbackBase
from ray.serve import Application
from ray.serve.llm import LLMConfig, LLMServer, build_llm_deployment
from ray.serve.llm.openai_api_models import ChatCompletionRequest, CompletionRequest

from app.config import ModelConfig, ReplicasConfig, StackConfig
from app.config.files import PROJECT
from app.ledger.share import ReplicaClock
from deployments import draining

REQUESTS = {"chat": ChatCompletionRequest, "completions": CompletionRequest}
PREFIX = b"data: "


class NothingToDownload(CallbackBase):  # type: ignore[misc]
    """Ray Serve LLM downloads weights by a task on each node, which imports vLLM for 5 s first. A
    directory is there already."""

    async def on_before_node_init(self) -> None:
        self.ctx.run_init_node = False


class ModelServer(LLMServer):  # type: ignore[misc]
    """Ray's LLMServer, spoken to in plain dicts, answering in JSON text.

    The ingress needs neither vLLM's classes nor their validation, and a token's chunk crosses the
    process border as the text that vLLM made.
    """

    async def start(self) -> None:
        from deployments.engine_load import LoadLogger

        await super().start()
        self._clock = ReplicaClock()
        self._load = LoadLogger()
        self.engine._engine_client.logger_manager.stat_loggers.append(self._load)
        # Ray 2.60 looks for tokenization under the name that vLLM 0.29 no longer uses.
        self.engine._oai_serving_tokenization = self.engine._app_state.serving_tokenization

    async def generate(
        self, task: Literal["chat", "completions"], body: dict[str, Any], request_id: str
    ) -> AsyncIterator[bytes]:
        """JSON texts: chunks of a stream, or one answer, or an `{"error": ...}`. Each says in `replica_seconds` how
        much of this replica's time the request has had by then."""
        try:
            request = REQUESTS[task](**body, request_id=request_id)
        except ValidationError as error:
            yield _refusal(error)
            return
        start = self._clock.start()
        try:
            answers = await (self.chat(request) if task == "chat" else self.completions(request))
            async for answer in answers:
                for part in answer if isinstance(answer, list) else [answer]:
                    payload = _payload(part)
                    if payload != b"[DONE]":
                        yield payload[:-1] + b',"replica_seconds":%.6f}' % self._clock.share(start)
        finally:
            self._clock.end(start)

    async def tokenize_text(self, body: dict[str, Any]) -> bytes:
        """vLLM's tokenize answer as JSON text, or an `{"error": ...}`."""
        from vllm.entrypoints.serve.tokenize.protocol import TokenizeChatRequest, TokenizeCompletionRequest

        kind = TokenizeChatRequest if "messages" in body else TokenizeCompletionRequest
        try:
            request = kind(**body)
        except ValidationError as error:
            return _refusal(error)
        async for answer in await self.tokenize(request):
            return _payload(answer)
        raise RuntimeError("the engine gave no answer")

    async def load(self) -> dict[str, float]:
        """What the scheduler last said. See `EngineLoad`."""
        load = self._load.load
        return {"running": load.running, "waiting": load.waiting, "kv_cache_usage": load.kv_cache_usage}

    async def ping(self) -> bool:
        await self.check_health()
        return True


def build_model(stack: StackConfig, model: ModelConfig) -> Application:
    """The deployment of one model."""
    return build_llm_deployment(llm_config(stack, model), deployment_cls=ModelServer, name_prefix="Model:")


def llm_config(stack: StackConfig, model: ModelConfig) -> LLMConfig:
    """Our settings in Ray Serve LLM's words."""
    replicas, checkpoint = model.replicas, stack.checkpoint(model)
    deployment: dict[str, Any] = {
        "max_ongoing_requests": replicas.max_ongoing_requests,
        "max_queued_requests": replicas.max_queued_requests,
        "ray_actor_options": {"num_cpus": _actor_cpus(model)},
        "graceful_shutdown_timeout_s": draining.of_model(stack),
    }
    if replicas.router != "power_of_two":
        deployment["request_router_config"] = _router(replicas)
    if replicas.min == replicas.max:
        deployment["num_replicas"] = replicas.max
    else:
        deployment["autoscaling_config"] = {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": replicas.target_ongoing_requests,
            "upscale_delay_s": replicas.upscale_delay_s,
            "downscale_delay_s": replicas.downscale_delay_s,
        }
    return LLMConfig(
        model_loading_config={
            "model_id": model.id,
            "model_source": str(checkpoint or model.source),
        },
        accelerator_type=model.accelerator_type,
        placement_group_config=_placement(model),
        engine_kwargs=_engine_arguments(stack, model),
        lora_config=(
            {
                "dynamic_lora_loading_path": model.lora.path,
                "max_num_adapters_per_replica": model.lora.max_adapters_per_replica,
            }
            if model.lora
            else None
        ),
        runtime_env={"env_vars": model.environment} if model.environment else None,
        deployment_config=deployment,
        experimental_configs={"stream_batching_interval_ms": model.stream_batching_interval_ms},
        **({"callback_config": {"callback_class": NothingToDownload}} if checkpoint else {}),
    )


def _router(replicas: ReplicasConfig) -> dict[str, Any]:
    """Serve's `request_router_config`. Classes by name: Serve imports them where the application is built."""
    if replicas.router == "round_robin":
        return {"request_router_class": "ray.serve.experimental.round_robin_router:RoundRobinRouter"}
    return {
        "request_router_class": "deployments.prefix_router:PrefixRouter",
        "request_router_kwargs": replicas.prefix.model_dump(),
    }


def _placement(model: ModelConfig) -> dict[str, Any] | None:
    if model.placement:
        return {"bundles": list(model.placement.bundles), "strategy": model.placement.strategy}
    if model.device == "gpu":
        return None  # by the number of GPUs that the engine wants, which Ray Serve LLM knows
    return {"bundles": [{"CPU": 1 if model.cpus is None else model.cpus}]}


def _actor_cpus(model: ModelConfig) -> float:
    """What Ray adds to the first bundle for the replica itself: `_placement` says it where it makes the bundles."""
    return (model.cpus or 0) if model.device == "gpu" and not model.placement else 0


def _engine_arguments(stack: StackConfig, model: ModelConfig) -> dict[str, Any]:
    arguments = {"enable_prompt_tokens_details": True, **model.engine}
    if model.device == "cpu":
        # One process on one machine; Ray workers would each need a CPU of their own.
        arguments.setdefault("distributed_executor_backend", "mp")
    if model.tokenizer:
        arguments["tokenizer"] = model.tokenizer  # Ray's `tokenizer_source` reaches no engine
    if model.tool_parser:
        arguments |= {"enable_auto_tool_choice": True, "tool_call_parser": model.tool_parser}
    if model.chat_template:
        arguments["chat_template"] = str(PROJECT / model.chat_template)
    if model.lora:
        arguments["enable_lora"] = True
    return arguments


def _payload(part: Any) -> bytes:
    if isinstance(part, str):
        return part.encode().removeprefix(PREFIX).strip()
    text: str = part.model_dump_json()
    return text.encode()


def _refusal(error: ValidationError) -> bytes:
    """A request that our checks let pass and vLLM's do not."""
    item = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in item["loc"])
    return orjson.dumps({"error": {"message": item["msg"], "type": "BadRequestError", "param": param, "code": 400}})
