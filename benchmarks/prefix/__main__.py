"""`python -m benchmarks.prefix`: what prefix routing finds in the engine's cache. See benchmarks/README.md."""

from enum import StrEnum
from typing import Annotated

import typer

from app.config import default_home
from benchmarks.command import RESULTS, Note, Results, publish
from benchmarks.prefix.run import Plan, run

TABLE_WIDTH = 140


class Router(StrEnum):
    """`models[].replicas.router`."""

    ROUND_ROBIN = "round_robin"
    POWER_OF_TWO = "power_of_two"
    PREFIX = "prefix"


BOTH = [Router.ROUND_ROBIN, Router.PREFIX]


def main(
    router: Annotated[list[Router], typer.Option(help="Which to measure, in this order.")] = BOTH,
    sessions: Annotated[int, typer.Option(min=2, help="Conversations, each with a system prompt of its own.")] = 20,
    rules: Annotated[int, typer.Option(min=1, help="Length of a system prompt, about 15 tokens each.")] = 65,
    turns: Annotated[int, typer.Option(min=2, help="Questions in each conversation.")] = 5,
    clients: Annotated[int, typer.Option(min=1, help="How many are asked at a time.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the order in which sessions come.")] = 4,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Measure the share of cached tokens and the time to the first token over two replicas."""
    models = default_home().absolute() / "models"
    plan = Plan([each.value for each in router], models, sessions, rules, turns, clients, seed, note)
    publish(lambda console: run(plan, console), results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
