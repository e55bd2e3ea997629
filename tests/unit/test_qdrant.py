"""How a Qdrant server is reached: its key from the environment, over gRPC."""

from collections.abc import Mapping

import pytest
from qdrant_client.async_qdrant_remote import AsyncQdrantRemote

from app.qdrant import connect


@pytest.mark.parametrize(
    ("environment", "key"),
    [({}, None), ({"QDRANT_API_KEY": " "}, None), ({"QDRANT_API_KEY": "secret\n"}, "secret")],
)
async def test_a_key_goes_to_the_server_with_every_call(environment: Mapping[str, str], key: str | None) -> None:
    client = connect("https://qdrant.example:6333", 7334, 5, environment)
    remote = client._client

    assert isinstance(remote, AsyncQdrantRemote)
    assert dict(remote._grpc_headers).get("api-key") == key
    assert remote._rest_headers.get("api-key") == key
    assert (remote._grpc_port, remote._prefer_grpc, remote._timeout) == (7334, True, 5)
    await client.close()
