"""Prompts: files in `prompts/`, mirrored in MLflow's prompt registry, which the stack follows.

A prompt is served from memory. `follow` asks the registry in the background; until it has answered,
and while it does not, the file is served. `{{name}}` is a variable, as in MLflow.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.config import PromptsConfig
from app.config.files import PROJECT
from app.mlflow_access import open_mlflow

logger = logging.getLogger(__name__)

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# Where the registry keeps a prompt's text: a tag of a registered model's version.
_TEXT_TAG = "mlflow.prompt.text"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt. `version` is the registry's number, or a digest of the file."""

    name: str
    version: str
    template: str

    @property
    def identity(self) -> str:
        """name@version, for keys and traces."""
        return f"{self.name}@{self.version}"

    @property
    def variables(self) -> set[str]:
        """Names of the variables."""
        return set(_VARIABLE.findall(self.template))

    def render(self, **values: str) -> str:
        """Fill the variables. Raises KeyError for one without a value. Values are not scanned again."""
        return _VARIABLE.sub(lambda match: values[match.group(1)], self.template)


def read_prompts(directory: str) -> dict[str, Prompt]:
    """The prompts of a folder, by file name without suffix. Raises FileNotFoundError."""
    folder = PROJECT / directory
    if not folder.is_dir():
        raise FileNotFoundError(f"prompts.directory: there is no folder {folder}")
    return {path.stem: _from_file(path) for path in sorted(folder.glob("*.md"))}


def _from_file(path: Path) -> Prompt:
    template = path.read_text().strip()
    return Prompt(path.stem, "file-" + hashlib.blake2b(template.encode(), digest_size=6).hexdigest(), template)


class PromptBook:
    """The prompts that are in force. Raises FileNotFoundError or KeyError at construction when one
    that the configuration names is not there."""

    def __init__(self, config: PromptsConfig, names: set[str], registry_url: str | None) -> None:
        self._config = config
        self._registry_url = registry_url
        files = read_prompts(config.directory)
        missing = names - set(files)
        if missing:
            raise KeyError(f"no prompt file for {sorted(missing)} in {config.directory}/")
        self._prompts = {name: files[name] for name in names}
        self._variables = {name: prompt.variables for name, prompt in self._prompts.items()}

    def __getitem__(self, name: str) -> Prompt:
        return self._prompts[name]

    @property
    def versions(self) -> Mapping[str, str]:
        """Version in force, by name."""
        return {name: prompt.version for name, prompt in self._prompts.items()}

    async def follow(self) -> None:
        """Keep up with the registry's alias until cancelled."""
        if self._registry_url is None:
            return
        async with open_mlflow(self._registry_url, timeout_s=5) as client:
            while True:
                await self.refresh(client)
                await asyncio.sleep(self._config.refresh_s)

    async def refresh(self, client: httpx.AsyncClient) -> None:
        """Ask once for each prompt. What cannot be had stays as it is."""
        for name in self._prompts:
            try:
                answer = await client.get(
                    "/api/2.0/mlflow/registered-models/alias",
                    params={"name": name, "alias": self._config.alias},
                )
                if answer.status_code == httpx.codes.NOT_FOUND:
                    continue  # not registered yet
                answer.raise_for_status()
                version = answer.json()["model_version"]
                tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
                prompt = Prompt(name, str(version["version"]), tags[_TEXT_TAG])
                if not prompt.template or prompt.variables != self._variables[name]:
                    # Every request that needs it would fail, or lose its question.
                    logger.warning("prompt %s: version %s has other variables than the file", name, prompt.version)
                    continue
                self._prompts[name] = prompt
            except (httpx.HTTPError, AttributeError, KeyError, TypeError, ValueError) as error:
                logger.info("prompt %s: registry gave no version (%s)", name, type(error).__name__)
