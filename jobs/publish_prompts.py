"""Put the prompt files into MLflow's prompt registry, and the alias that is served on new ones.

    python -m jobs.publish_prompts --mlflow-url http://127.0.0.1:5000

A file whose text the registry does not know becomes a new version, and the alias moves to it. A text
that it does know is left alone: if somebody has moved the alias, that decision stands.
"""

import logging
import os
from typing import Annotated

import typer
from rich.console import Console

from app.config import ConfigError, PromptsConfig, StackConfig
from app.config.files import load_stack
from app.prompts import Prompt, read_prompts

console = Console()


def publish(prompt: Prompt, alias: str) -> str:
    """Register a prompt if it is new. Returns what was done. The tracking URI must be set."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    try:
        versions = list(client.search_prompt_versions(prompt.name))
    except MlflowException:
        versions = []
    known = next((version for version in versions if version.template == prompt.template), None)
    if known is not None:
        return f"{prompt.name}: version {known.version} is this file"
    made = mlflow.genai.register_prompt(prompt.name, prompt.template, commit_message="from prompts/")
    mlflow.genai.set_prompt_alias(prompt.name, alias, made.version)
    return f"{prompt.name}: new version {made.version}, now {alias!r}"


def main(
    mlflow_url: Annotated[
        str | None, typer.Option(help="MLflow server; default: observability.mlflow_url of the configuration.")
    ] = None,
) -> None:
    """Register the files in prompts/ with MLflow. Safe to run again."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        config: StackConfig | None = load_stack()
    except ConfigError:
        config = None
    settings = config.prompts if config else PromptsConfig()
    url = mlflow_url or (config.observability.mlflow_url if config else None)
    if url is None:
        console.print("[red]✗[/] no MLflow server: give --mlflow-url, or set observability.mlflow_url")
        raise typer.Exit(2)
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(url)
    try:
        for prompt in read_prompts(settings.directory).values():
            console.print(publish(prompt, settings.alias))
    except MlflowException as error:
        console.print(f"[red]✗[/] MLflow at {url} did not take the prompts: {error.message}")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
