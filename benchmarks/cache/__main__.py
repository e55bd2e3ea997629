"""`python -m benchmarks.cache`: what a cache takes, finds and gets wrong. See benchmarks/README.md."""

from pathlib import Path
from typing import Annotated

import typer

from app.config import default_home
from benchmarks.cache.run import Plan, run
from benchmarks.command import PEER_ENVIRONMENT, RESULTS, ROOT, Note, PeerEnvironment, Results, publish

TABLE_WIDTH = 180


def main(
    sextant: Annotated[bool, typer.Option(help="Start the stack, with a no-op beside it, and measure both.")] = True,
    peers: Annotated[bool, typer.Option(help="Start LiteLLM and GPTCache, and measure them.")] = True,
    rounds: Annotated[int, typer.Option(min=1, help="How often each row is measured.")] = 5,
    requests: Annotated[int, typer.Option(min=50, help="Of each row in each round, at one client.")] = 250,
    clients: Annotated[int, typer.Option(min=2, help="How many at a time, for the rate.")] = 16,
    concurrent_requests: Annotated[int, typer.Option(min=50, help="Of each row in each round, at that many.")] = 640,
    groups: Annotated[int, typer.Option(min=1, help="Groups of the labelled stream, a dozen requests each.")] = 100,
    pairs: Annotated[Path, typer.Option(help="Directory of labelled groups.")] = ROOT / "evals" / "cache" / "parts",
    peer_environment: PeerEnvironment = PEER_ENVIRONMENT,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Measure what a hit and a miss take beyond a no-op ingress, and how often hits are wrong, beside peers."""
    plan = Plan(
        has_sextant=sextant,
        has_peers=peers,
        peer_environment=peer_environment,
        models=default_home().absolute() / "models",
        pairs=pairs,
        rounds=rounds,
        requests={1: requests, clients: concurrent_requests},
        streamed_groups=groups,
        note=note,
    )
    publish(lambda console: run(plan, console), results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
