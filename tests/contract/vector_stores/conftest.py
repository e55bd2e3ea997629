"""The stores."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.server_store import ServerStore
from app.retrieval.types import VectorStore
from tests.contract.vector_stores.making import DIMENSIONS

SERVER = os.environ.get("QDRANT_URL")
ALL = [
    "embedded",
    "client",
    pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="QDRANT_URL names no Qdrant server")),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The client's own engine scans all, and says so."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:Local mode performs exact"))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be: a commit waits for the disk, and there are hundreds of them."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path / "kb"
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


@pytest.fixture(params=ALL)
async def store(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[VectorStore]:
    made: VectorStore
    if request.param == "embedded":
        made = EmbeddedStore(directory, DIMENSIONS)
    elif request.param == "client":
        made = ServerStore(AsyncQdrantClient(location=":memory:"), "test", DIMENSIONS)
    else:
        made = ServerStore.connect(str(SERVER), f"test-{os.getpid()}-{id(request)}", DIMENSIONS, 5000)
    yield made
    if request.param == "server" and isinstance(made, ServerStore):
        for collection in (made._collection, made._versions):
            await made._client.delete_collection(collection)
    await made.close()
