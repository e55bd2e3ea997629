"""A stream as it is on the wire, before a client makes something of it."""

import json
from typing import Any

import httpx

from tests.unit.wire import AUTHORIZED

Event = tuple[str, dict[str, Any]]


def events_of(url: str, body: dict[str, Any]) -> list[Event]:
    """Names and data of all events; each has both lines, and its data repeats its name."""
    response = httpx.post(url, json={"model": "m", "stream": True, **body}, headers=AUTHORIZED, timeout=10)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("\n\n")
    events = []
    for frame in response.text.removesuffix("\n\n").split("\n\n"):
        first, second = frame.split("\n")
        name, data = first.removeprefix("event: "), json.loads(second.removeprefix("data: "))
        assert data["type"] == name
        events.append((name, data))
    return events


def names_of(events: list[Event]) -> list[str]:
    return [name for name, _ in events]
