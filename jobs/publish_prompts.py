"""Put the prompt files into MLflow's prompt registry, and the alias that is served on new ones.

    python -m jobs.publish_prompts --mlflow-url http://127.0.0.1:5000

A file whose text the registry does not know becomes a new version, and the alias moves to it. A text
that it does know is left alone: if somebody has moved the alias, that decision stands. A run that was
stopped between the two leaves the version marked, and the next one moves the alias.
"""

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from app.config import ConfigError
from app.config.addresses import TO_MLFLOW, has_credentials, without_credentials
from app.config.files import load_stack
from app.prompts import Prompt, read_prompts

if TYPE_CHECKING:
    from mlflow import MlflowClient

# On a version that is to get an alias: JSON, the alias and the version that it stood on before.
OWED_TAG = "sextant.alias_owed"

console = Console()


def publish(prompt: Prompt, alias: str) -> str:
    """Register a prompt if it is new. Returns what was done. The tracking URI must be set. Raises MlflowException."""
    import mlflow

    client = mlflow.MlflowClient()
    known = [version for version in _versions(client, prompt.name) if version.template == prompt.template]
    owed = next((version for version in known if OWED_TAG in version.tags), None)
    if owed is not None:
        return _finish(client, prompt.name, owed.version, owed.tags[OWED_TAG])
    if known:
        return f"{prompt.name}: version {known[0].version} is this file"
    # The tag comes with the version, in one call: nothing can come between them.
    tag = json.dumps({"alias": alias, "from": _aliased(client, prompt.name, alias)})
    made = client.register_prompt(prompt.name, prompt.template, commit_message="from prompts/", tags={OWED_TAG: tag})
    client.set_prompt_alias(prompt.name, alias, made.version)
    _settle(client, prompt.name, made.version)
    return f"{prompt.name}: new version {made.version}, now {alias!r}"


def _finish(client: "MlflowClient", name: str, version: int, tag: str) -> str:
    """Move the alias that an earlier run left where it was, unless somebody has moved it since."""
    owed = json.loads(tag)
    alias, now = str(owed["alias"]), _aliased(client, name, owed["alias"])
    moves = now == owed["from"]
    if moves:
        client.set_prompt_alias(name, alias, version)
    _settle(client, name, version)
    if moves:
        return f"{name}: version {version} of an interrupted run, now {alias!r}"
    return f"{name}: version {version} is this file; {alias!r} stays at version {now}"


def _settle(client: "MlflowClient", name: str, version: int) -> None:
    client.delete_prompt_version_tag(name, str(version), OWED_TAG)
    client.delete_prompt_tag(name, OWED_TAG)  # MLflow writes a new version's tags there, too


def _versions(client: "MlflowClient", name: str) -> list[Any]:
    """All of a prompt, none of one that is not registered yet."""
    from mlflow.exceptions import MlflowException

    try:
        return list(client.search_prompt_versions(name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise  # not known is not the same as not there: each run would add a version
        return []


def _aliased(client: "MlflowClient", name: str, alias: str) -> int | None:
    """The version that an alias stands on."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_prompt_version_by_alias(name, alias)
    except MlflowException as error:
        # The second is what MLflow says where the prompt is there and the alias is not.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    return None if found is None else int(found.version)


def main(
    mlflow_url: Annotated[
        str | None, typer.Option(help="MLflow server; default: observability.mlflow_url of the configuration.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The stack's YAML. By default that of the running stack.", show_default=False)
    ] = None,
) -> None:
    """Register the files in prompts/ with MLflow. Safe to run again."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        stack = load_stack(config)
    except ConfigError as error:
        console.print(f"[red]✗[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    url = mlflow_url or stack.observability.mlflow_url
    if url is None:
        console.print("[red]✗[/] no MLflow server: give --mlflow-url, or set observability.mlflow_url")
        raise typer.Exit(2)
    if url.startswith("http") and has_credentials(url):  # MLflow's errors would show them
        console.print(f"[red]✗[/] --mlflow-url has a user name or password in it; take it out, and {TO_MLFLOW}")
        raise typer.Exit(2)
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(url)
    try:
        for prompt in read_prompts(stack.prompts.directory).values():
            console.print(publish(prompt, stack.prompts.alias))
    except MlflowException as error:
        console.print(f"[red]✗[/] MLflow at {without_credentials(url)} did not take the prompts: {error.message}")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
