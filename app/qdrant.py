"""A Qdrant server, as both of its users reach it."""

import os
from collections.abc import Mapping

from qdrant_client import AsyncQdrantClient

API_KEY = "QDRANT_API_KEY"  # the variable that Qdrant's own documents use


def connect(url: str, grpc_port: int, timeout_s: int, environment: Mapping[str, str] = os.environ) -> AsyncQdrantClient:
    """A client, with the key of `API_KEY` where it is set. gRPC is preferred. Connects at first use."""
    key = environment.get(API_KEY, "").strip() or None
    return AsyncQdrantClient(url=url, api_key=key, prefer_grpc=True, grpc_port=grpc_port, timeout=timeout_s)
