"""What a tenant's readers can find, a hash for each document: `python -m tests.chaos.knowledge_digest TENANT`, with the
stack's environment. Chunks with all their fields but the tenant, and their vectors, go into it."""

import asyncio
import hashlib
import json
import sys
from dataclasses import asdict
from typing import Any

import ray
from ray import serve

from app.retrieval.types import Chunk, Vector
from jobs.knowledge_base import DEPLOYMENT

APPLICATION = "sextant"


async def read(tenant: str) -> list[tuple[Chunk, Vector]]:
    handle = serve.get_deployment_handle(DEPLOYMENT, app_name=APPLICATION)
    return [pair async for page in handle.options(stream=True).export.remote(tenant) for pair in page]


def main() -> None:
    """Print them, by document."""
    ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    digests: dict[str, Any] = {}
    for chunk, vector in sorted(asyncio.run(read(sys.argv[1])), key=lambda pair: pair[0].ordinal):
        fields = {name: value for name, value in asdict(chunk).items() if name != "tenant"}
        digest = digests.setdefault(chunk.document, hashlib.sha256())
        digest.update(json.dumps(fields, sort_keys=True, default=str).encode() + vector.tobytes())
    print(json.dumps({name: digest.hexdigest() for name, digest in digests.items()}))


if __name__ == "__main__":
    main()
