"""What the routes of memory need of the gateway."""

from starlette.requests import Request

from app.errors import NotFound
from app.gateway.receive import gateway_of
from app.memory.memory import Memory


def memory_of(request: Request) -> Memory:
    """Raises NotFound where memory is turned off."""
    memory = gateway_of(request).memory
    if memory is None:
        raise NotFound("Memory is turned off (memory.enabled).")
    return memory
