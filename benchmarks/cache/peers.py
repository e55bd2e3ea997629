"""Starting the peers, each in the environment of benchmarks/requirements.txt, before the benchmark's provider."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway.litellm_proxy import litellm_configuration, litellm_model, start_proxy
from benchmarks.gateway.targets import CHAT, Target
from benchmarks.servers import free_port, peer_program, wait_for
from deployments.processes import Supervisor

MODEL = "all-minilm-l6-v2"
_COLLECTION = "cache"


@dataclass(frozen=True)
class Home:
    """Where peers run, and what they need."""

    supervisor: Supervisor
    environment: Path  # virtual environment of the peers
    memory: Path  # a directory for this run, on a file system in memory where there is one
    models: Path  # with all-minilm-l6-v2 in it
    provider_url: str


def start_gptcache(home: Home, name: str, threshold: float | None, *, is_tuned: bool = False) -> Target:
    """GPTCache: exact without a threshold, by similarity with one. Raises BenchmarkFailed.

    Tuned in its favour: its files in memory, so that no commit waits for a disk, and one candidate instead of five.
    """
    directory, port = (home.memory if is_tuned else home.supervisor.logs) / name, free_port()
    directory.mkdir()
    server = Path(__file__).with_name("gptcache_server.py")
    command = [peer_program(home.environment, "python"), str(server), str(port), home.provider_url, str(directory)]
    features = "GPTCache, exact: its map in memory"
    if threshold is not None:
        command += [str(home.models / MODEL), str(threshold)]
        cosine = 1 - (1 - threshold) * 4 / 2  # its distance is the squared one of unit vectors, of at most 4
        features = f"GPTCache, similarity: SQLite, faiss, threshold {threshold:g} (a cosine of {cosine:.2f}), "
        features += "files in memory, 1 candidate" if is_tuned else "files on disk, 5 candidates (as it comes)"
        command += ["1"] if is_tuned else []
    child = home.supervisor.start(name, command, {**os.environ, "OMP_NUM_THREADS": "1"}, essential=True)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/health", child)
    return Target(name, url + CHAT, "bench", {}, (child.process.pid,), features)


def start_litellm_stores(home: Home) -> str:
    """What LiteLLM's semantic cache talks to; the URL. Raises BenchmarkFailed."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.cache.litellm_stores", str(port), str(home.models / MODEL)]
    child = home.supervisor.start("litellm-stores", command, os.environ, essential=True)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/collections/{_COLLECTION}", child)
    return url


def start_litellm(home: Home, name: str, stores_url: str | None, threshold: float | None) -> Target:
    """The LiteLLM proxy, one worker: exact in memory without a threshold, semantic with one. Raises BenchmarkFailed."""
    directory = home.supervisor.logs / name
    directory.mkdir()
    cache: dict[str, Any] = {"type": "local"}
    features = "LiteLLM proxy, 1 worker, master key; cache: local (exact, in memory)"
    models = [litellm_model("bench", home.provider_url)]
    if stores_url is not None:
        models.append(litellm_model(MODEL, stores_url))
        cache = {
            "type": "qdrant-semantic",
            "qdrant_api_base": stores_url,
            "qdrant_collection_name": f"{_COLLECTION}-{name}",
            "similarity_threshold": threshold,
            "qdrant_semantic_cache_embedding_model": MODEL,
            "qdrant_semantic_cache_vector_size": 384,
        }
        features = (
            f"LiteLLM proxy, 1 worker, master key; cache: qdrant-semantic from a cosine of {threshold:g} on, over a "
            "stand-in for the Qdrant server (exact search in memory) and MiniLM by OpenAI's embeddings route"
        )
    configuration = litellm_configuration(models, cache=True, cache_params=cache)
    return start_proxy(home.supervisor, home.environment, directory, configuration, features)
