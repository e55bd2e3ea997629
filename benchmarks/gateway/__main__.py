"""`python -m benchmarks.gateway`: what each gateway adds to a provider without delay. See benchmarks/README.md."""

from enum import StrEnum
from typing import Annotated

import typer

from benchmarks.command import PEER_ENVIRONMENT, RESULTS, Note, PeerEnvironment, Results, publish
from benchmarks.gateway.measure import Cell
from benchmarks.gateway.prompts import Size
from benchmarks.gateway.run import Peer, Plan, run
from benchmarks.gateway.targets import CHAT, Target

CLIENTS = [1, 16, 64]
TABLE_WIDTH = 180
FEATURES = "virtual key, limits, budgets, ledger, guard, cache look-up, tracing"


class Mode(StrEnum):
    """How an answer comes."""

    WHOLE = "whole"
    STREAM = "stream"


# Names, as typer wants lists for what can be given several times.
PEERS, MODES, SIZES = list(Peer), list(Mode), list(Size)


def main(
    sextant_url: Annotated[str | None, typer.Option(help="Sextant's address; without it, it is left out.")] = None,
    sextant_key: Annotated[str, typer.Option(envvar="SEXTANT_API_KEY", help="A key with limits and a budget.")] = "",
    sextant_model: Annotated[str, typer.Option(help="Its hosted model at the provider's address.")] = "bench",
    sextant_pid: Annotated[list[int] | None, typer.Option(help="Root of its processes, for their CPU time.")] = None,
    sextant_features: Annotated[str, typer.Option(help="What it does for each request.")] = FEATURES,
    provider_port: Annotated[int, typer.Option(help="The provider is at http://127.0.0.1:PORT/v1.")] = 8899,
    peer: Annotated[list[Peer], typer.Option(help="Whom to measure beside it.")] = PEERS,
    mode: Annotated[list[Mode], typer.Option(help="How the answers come.")] = MODES,
    prompts: Annotated[list[Size], typer.Option(help="About 30 or 400 characters.")] = SIZES,
    clients: Annotated[list[int], typer.Option(min=1, help="How many at a time.")] = CLIENTS,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long each time.")] = 3.0,
    peer_environment: PeerEnvironment = PEER_ENVIRONMENT,
    results: Results = RESULTS,
    note: Note = "",
) -> None:
    """Measure latency, rate and CPU time of gateways in front of one provider without delay."""
    sextant = None
    if sextant_url is not None:
        url = sextant_url.rstrip("/").removesuffix("/v1") + CHAT
        headers = {"authorization": f"Bearer {sextant_key}"}
        sextant = Target("sextant", url, sextant_model, headers, tuple(sextant_pid or ()), sextant_features)
    plan = Plan(
        peers=frozenset(peer),
        peer_environment=peer_environment,
        sextant=sextant,
        provider_port=provider_port,
        cells=[Cell(m is Mode.STREAM, size, count) for m in mode for size in prompts for count in clients],
        rounds=rounds,
        measure_s=seconds,
        note=note,
    )
    publish(lambda console: run(plan, console), results, TABLE_WIDTH)


if __name__ == "__main__":
    typer.run(main)
