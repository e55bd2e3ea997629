"""What every test here starts from."""

from collections.abc import AsyncIterator

import pytest

from tests.provider_double import ProviderDouble


@pytest.fixture
async def double() -> AsyncIterator[ProviderDouble]:
    """A provider's double that answers with eight tokens at once."""
    async with ProviderDouble() as running:
        yield running
