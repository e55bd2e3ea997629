"""What a model's answers depend on besides the request: its weights and how they are run."""

import hashlib
import json
from pathlib import Path

from app.config import ConfigError, HostedModelConfig, ModelConfig, StackConfig
from app.config.files import PROJECT


def with_revisions(config: StackConfig) -> StackConfig:
    """The configuration with a `revision` for every directory of weights that has none, of the files in it.

    For whoever builds the application: processes on other machines may not have the files, or have copies of another
    time, and are to agree. Raises ConfigError where a directory is not on this machine either.
    """
    problems, models = [], []
    for index, model in enumerate(config.models):
        directory = config.checkpoint(model)
        if directory is None or model.revision is not None:
            models.append(model)
        elif directory.is_dir():
            models.append(model.model_copy(update={"revision": _digest(_files(directory))}))
        else:
            problems.append(
                f"models[{index}].source: there is no directory {directory} on this machine, where the application is "
                f"built; if those that run the model have it, set models[{index}].revision to a text that names its "
                "weights, and change it whenever they change"
            )
    if problems:
        raise ConfigError(problems)
    return config.model_copy(update={"models": tuple(models)})


def model_revisions(config: StackConfig) -> dict[str, str]:
    """A digest for each model id. It changes with the weights, the tokenizer and the engine's arguments; of a hosted
    model with where it is and what it is called there, which is all that can be known of it.

    Raises ConfigError as `with_revisions`.
    """
    served = {model.id: _revision(model) for model in with_revisions(config).models}
    return served | {model.id: _hosted(config, model) for model in config.hosted}


def _revision(model: ModelConfig) -> str:
    return _digest(
        {
            "source": model.source,
            "revision": model.revision,
            "tokenizer": model.tokenizer,
            "engine": model.engine,
            "tool_parser": model.tool_parser,
            "lora": model.lora.path if model.lora else None,
            "chat_template": _text(model.chat_template),
        }
    )


def _hosted(config: StackConfig, model: HostedModelConfig) -> str:
    provider = config.providers[model.provider]
    return _digest(
        [provider.preset, provider.dialect, provider.base_url, provider.api_version, model.model or model.id]
    )


def _digest(identity: object) -> str:
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


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
