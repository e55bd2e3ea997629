"""`python -m benchmarks.ingest`: ingestion beside the bare embedder, LangChain and LlamaIndex. See
benchmarks/README.md."""

from typing import Annotated

import typer

from app.config import default_home
from benchmarks.command import PEER_ENVIRONMENT, RESULTS, Note, PeerEnvironment, Results, publish
from benchmarks.ingest.report import LANGCHAIN, LLAMA_INDEX
from benchmarks.ingest.run import Plan, run

TABLE_WIDTH = 140


def main(
    documents: Annotated[int, typer.Option(min=10, help="How many, out of what is installed here.")] = 5000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 1,
    peers: Annotated[bool, typer.Option(help="Measure LangChain and LlamaIndex too.")] = True,
    seed: Annotated[int, typer.Option(help="Which documents are taken.")] = 7,
    peer_environment: PeerEnvironment = PEER_ENVIRONMENT,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Measure how fast documents become passages with vectors in a store."""
    plan = Plan(
        documents=documents,
        rounds=rounds,
        seed=seed,
        peers=(LANGCHAIN, LLAMA_INDEX) if peers else (),
        peer_environment=peer_environment,
        model=default_home().absolute() / "models" / "all-minilm-l6-v2",
        note=note,
    )
    publish(lambda console: run(plan, console), results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
