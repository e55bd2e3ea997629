"""`python -m tests.provider_double`: prints its address, then serves until it is ended."""

import argparse
from pathlib import Path

import uvloop

from tests.provider_double.double import ProviderDouble


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.provider_double", description="A hosted provider's double.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--unix", type=Path, help="listen on this socket instead")
    parser.add_argument("--tokens", type=int, default=8, help="length of an answer")
    parser.add_argument("--delay-ms", type=float, default=0, help="between two tokens")
    parser.add_argument("--key", help="the only key that it accepts")
    parser.add_argument("--cached-tokens", type=int, default=0, help="tokens of a prompt reported as cached")
    parser.add_argument("--varied", action="store_true", help="another question gets another answer")
    parser.add_argument("--seed", type=int, default=0, help="of faults with a share")
    uvloop.run(serve(**vars(parser.parse_args())))


async def serve(unix: Path | None, **settings: object) -> None:
    async with ProviderDouble(unix=unix, **settings) as double:  # type: ignore[arg-type]  # the parser typed them
        print(unix or double.url, flush=True)
        await double.serve_forever()


if __name__ == "__main__":
    main()
