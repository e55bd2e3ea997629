"""What `make serve` says of a running stack: to people on the terminal, to tools in `run/stack.json`."""

import json
import os
from typing import Any, Literal

from rich.console import Console
from rich.panel import Panel

from app.config import load_api_key
from deployments.plan import Plan

KnowledgeBase = Literal["ready", "ingesting", "failed"]


def write_facts(plan: Plan, knowledge_base: KnowledgeBase) -> None:
    """Where everything is, for `make eval`, `sextant` and the tests. Its presence says that the gateway is ready."""
    facts: dict[str, Any] = {
        "base_url": f"{plan.ports.base_url}/v1",
        "console_url": console_url(plan),
        "mlflow_url": plan.ports.mlflow_url,
        "dashboard_url": plan.ports.dashboard_url,
        "ray_address": plan.environment["RAY_ADDRESS"],
        "ray_directory": str(plan.ray_directory),
        "knowledge_base": knowledge_base,
        "pid": os.getpid(),
    }
    partial = plan.home / "run" / "stack.json.partial"
    partial.write_text(json.dumps(facts, indent=2))
    partial.replace(partial.with_suffix(""))


def announce(console: Console, plan: Plan, seconds: float, knowledge_base: KnowledgeBase) -> None:
    """Addresses, key, and a request to paste. `seconds`: what the start took."""
    write_facts(plan, knowledge_base)
    key = load_api_key(plan.home)
    documents = "Documents  [yellow]still being ingested[/]; questions can be asked already\n"
    console.print(
        Panel.fit(
            f"Base URL   [bold]{plan.ports.base_url}/v1[/]\n"
            f"API key    [bold]{key}[/]\n"
            f"Console    {console_url(plan)}\n"
            f"MLflow     {plan.ports.mlflow_url}\n"
            f"Ray        {plan.ports.dashboard_url}  [dim](token: {plan.home / 'ray_token'})[/]\n"
            f"{documents if knowledge_base == 'ingesting' else ''}"
            f"Logs       {plan.home / 'logs'} and {plan.ray_directory}",
            title=f"Sextant is ready after {seconds:.0f} s",
        )
    )
    # As a stream: on a laptop's two cores the whole answer takes its time, its first words do not.
    asked = '[{"role": "user", "content": "What does the guard mask?"}]'
    question = f'{{"model": "docs", "stream": true, "messages": {asked}}}'
    console.print("Ask it:\n", end="")
    # Printed whole, so that it can be pasted.
    print(
        f"curl -N {plan.ports.base_url}/v1/chat/completions -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/json' -d '{question}'",
        flush=True,
    )
    console.print("[dim]Ctrl-C ends everything.[/]")


def console_url(plan: Plan) -> str:
    """The page for people."""
    return f"{plan.ports.base_url}/console/"
