"""`python -m benchmarks.guard`: what the guard adds, beside bare Presidio and LLM Guard. See benchmarks/README.md."""

from pathlib import Path
from typing import Annotated

import typer

from app.config import default_home
from benchmarks.command import PEER_ENVIRONMENT, RESULTS, ROOT, Note, PeerEnvironment, Results, publish
from benchmarks.guard.run import Plan, run

TABLE_WIDTH = 170


def main(
    stack: Annotated[bool, typer.Option(help="Start the stack and measure requests and streams.")] = True,
    peers: Annotated[bool, typer.Option(help="Measure Presidio and LLM Guard too.")] = True,
    rounds: Annotated[int, typer.Option(min=1, help="How often each row is measured.")] = 5,
    texts: Annotated[int, typer.Option(min=5, help="Texts of each length, in each round.")] = 20,
    requests: Annotated[int, typer.Option(min=10, help="Of each row in each round, at one client.")] = 100,
    clients: Annotated[int, typer.Option(min=2, help="How many at a time, beside one.")] = 16,
    concurrent_requests: Annotated[int, typer.Option(min=10, help="Of each row in each round, at that many.")] = 160,
    streams: Annotated[int, typer.Option(min=1, help="Of each kind in each round.")] = 6,
    judged: Annotated[int, typer.Option(min=2, max=30, help="Requests for the safety model, of each outcome.")] = 20,
    chunk_ms: Annotated[float, typer.Option(min=1, help="The provider's pace, for one token.")] = 10,
    tokens: Annotated[int, typer.Option(min=30, help="Of an answer at that pace.")] = 60,
    judge_ms: Annotated[float, typer.Option(min=1, help="What the safety model takes.")] = 50,
    evals: Annotated[Path, typer.Option(help="Directory of the evaluation sets.")] = ROOT / "evals" / "guard",
    peer_environment: PeerEnvironment = PEER_ENVIRONMENT,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Measure what the default policy adds to a text, a request and a stream."""
    plan = Plan(
        has_stack=stack,
        has_peers=peers,
        peer_environment=peer_environment,
        models=default_home().absolute() / "models",
        evals=evals,
        rounds=rounds,
        texts=texts,
        requests={1: requests, clients: concurrent_requests},
        streams=streams,
        judged=judged,
        chunk_ms=chunk_ms,
        tokens=tokens,
        judge_ms=judge_ms,
        note=note,
    )
    publish(lambda console: run(plan, console), results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
