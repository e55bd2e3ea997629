"""What a model's answers depend on besides the request: its weights and how they are run."""

import hashlib
import json
from pathlib import Path

from app.config import HostedModelConfig, ModelConfig, StackConfig
from app.config.files import PROJECT


def model_revisions(config: StackConfig) -> dict[str, str]:
    """A digest for each model id. It changes with the weights, the tokenizer and the engine's arguments; of a hosted
    model with where it is and what it is called there, which is all that can be known of it."""
    served = {model.id: _revision(config, model) for model in config.models}
    return served | {model.id: _hosted(config, model) for model in config.hosted}


def _revision(config: StackConfig, model: ModelConfig) -> str:
    checkpoint = config.checkpoint(model)
    identity = {
        "source": _files(checkpoint) if checkpoint else model.source,
        "tokenizer": model.tokenizer,
        "engine": model.engine,
        "tool_parser": model.tool_parser,
        "lora": model.lora.path if model.lora else None,
        "chat_template": _text(model.chat_template),
    }
    return hashlib.blake2b(json.dumps(identity, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _hosted(config: StackConfig, model: HostedModelConfig) -> str:
    provider = config.providers[model.provider]
    identity = [provider.preset, provider.dialect, provider.base_url, provider.api_version, model.model or model.id]
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()


def _text(template: str | None) -> str | None:
    """What a template says; its name, where it is no file here."""
    if template is None:
        return None
    path = PROJECT / template
    return path.read_text() if path.is_file() else template


def _files(directory: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of a checkpoint's files: hashing gigabytes at every start would cost minutes."""
    return sorted(
        (str(path.relative_to(directory)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    )
