"""Personal data goes round: the user gets it back, and nobody else ever has it.

A conversation with names, numbers and a key, under the default policy, with everything on that keeps something: cache,
semantic cache, ledger, and traces with content. Then all that was kept is searched: what the provider was sent, every
value in Valkey, and every byte that the stack has written.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
import valkey

from app.cache.embedded import socket_path
from tests.chaos.fleet import Fleet, eventually, fleet
from tests.e2e.conftest import stop_stack

VALUES = {
    "person": "Thandiwe Mokoena",
    "other person": "Bartholomew Przybylski",
    "e-mail": "thandi.mokoena@kestrelpost.example",
    "phone": "+1 (415) 555-0132",
    "card": "4147 7938 3470 1746",
    "iban": "DE94 8990 6764 8694 5847 48",
    "address": "4127 Larkspur Lane, Boulder, CO 80302",
    "ssn": "435-84-3085",
    "key": "sk-" + "proj-" + "Vi13eZhCZ0N1XXnCBVqyZjxjP1MusJk4q9",
}
# What tells as much as the whole value.
PARTS = (
    "Mokoena",
    "Przybylski",
    "Bartholomew",
    "kestrelpost",
    "555-0132",
    "7938 3470",
    "6764 8694",
    "Larkspur",
    "Vi13eZhC",
)
TURNS = (
    "Hi, I'm {person} and my colleague is {other person}. Please write to {e-mail} about the invoice.",
    "Call me at {phone}. I paid with the card {card}, and the refund goes to the IBAN {iban}.",
    "Our new home is at {address}, the SSN on the tax form is {ssn}, and the weather service uses {key}. What is still "
    "missing in the letter?",
)
SAID = "Here is what you told me:"
WAIT_S = 30
TELLING = 10  # signs of base64; fewer stand somewhere by chance


class Provider(BaseHTTPRequestHandler):
    """Says what the user said, in pieces where it is asked for a stream. Keeps the bodies."""

    protocol_version = "HTTP/1.1"
    bodies: list[str]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(raw.decode())
        body = json.loads(raw)
        text = f"{SAID} {body['messages'][-1]['content']}"
        head = {"id": "x", "created": 1, "model": "echo"}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            answer = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
            self._send("application/json", json.dumps(answer).encode())
            return
        deltas: list[dict[str, str]] = [
            {"role": "assistant", "content": ""},
            *({"content": part} for part in re.findall(r".{1,7}", text)),
        ]
        choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        events = [{**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
        events.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        lines = [*map(json.dumps, events), "[DONE]"]
        self._send("text/event-stream", "".join(f"data: {line}\n\n" for line in lines).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A test's output is not the place."""


@contextmanager
def echo() -> Iterator[tuple[str, list[str]]]:
    """The provider's address, and the bodies that it has got."""
    bodies: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Echo", (Provider,), {"bodies": bodies}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1", bodies
    server.shutdown()


class Spoken:
    """What a client sent and got, and what the provider was sent."""

    def __init__(self, running: Fleet, bodies: list[str]) -> None:
        self.fleet = running
        self.bodies = bodies
        self.answers: list[str] = []
        self.request_ids: list[str] = []
        self.tiers: list[str] = []

    def converse(self, *, stream: bool) -> None:
        """All turns, each with those before it, as a chat does."""
        messages: list[dict[str, str]] = []
        for number, turn in enumerate(TURNS):
            for name, value in VALUES.items():
                turn = turn.replace(f"{{{name}}}", value)
            messages.append({"role": "user", "content": turn})
            answer = self.ask(messages, stream=stream, request_id=f"round-trip-{int(stream)}-{number}")
            messages.append({"role": "assistant", "content": answer})

    def ask(self, messages: list[dict[str, str]], *, stream: bool, request_id: str) -> str:
        body = {"model": "echo", "messages": messages, "temperature": 0, "stream": stream}
        with self.fleet.stack.http() as http:
            response = http.post("/v1/chat/completions", json=body, headers={"x-request-id": request_id})
        assert response.status_code == 200, response.text
        self.tiers.append(response.headers["x-sextant-cache"])
        self.request_ids.append(request_id)
        if not stream:
            text = str(response.json()["choices"][0]["message"]["content"])
        else:
            events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
            choices = [choice for event in events for choice in json.loads(event)["choices"]]
            text = "".join(choice["delta"].get("content") or "" for choice in choices)
        self.answers.append(text)
        return text


def forms(value: str) -> list[bytes]:
    """The bytes that a value may be in: as it is, in URLs, in JSON, in base64 from each of the three offsets."""
    raw = value.encode()
    encoded = [base64.b64encode(b"\0" * shift + raw)[(0, 4, 4)[shift] : -4] for shift in range(3)]
    telling = [form for form in encoded if len(form) >= TELLING]
    return [raw, quote(value).encode(), quote(value, safe="").encode(), raw.replace(b" ", b"+"), *telling]


NEEDLES = {name: forms(value) for name, value in (*VALUES.items(), *((part, part) for part in PARTS))}


def found_in(content: bytes) -> list[str]:
    return [name for name, needles in NEEDLES.items() if any(needle in content for needle in needles)]


def files_of(running: Fleet) -> list[Path]:
    """All that the stack has written, but for models, which it has not."""
    folders = [running.stack.home, Path(running.stack.facts["ray_directory"])]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if "models" not in path.parts]


def values_of(store: valkey.Valkey) -> dict[bytes, bytes]:
    """Every key, and what stands under it."""
    readers: dict[bytes, Any] = {
        b"string": store.get,
        b"hash": store.hgetall,
        b"set": store.smembers,
        b"list": lambda key: store.lrange(key, 0, -1),
        b"zset": lambda key: store.zrange(key, 0, -1, withscores=True),
        b"stream": lambda key: store.xrange(key),
    }
    found = {}
    for key in store.scan_iter(count=1000):
        content = readers[cast(bytes, store.type(key))](key)
        found[key] = content if isinstance(content, bytes) else repr(content).encode()
    return found


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoken]:
    args: dict[str, Any] = {
        "hosted": [
            {"id": "echo", "provider": "echo", "price": {"input_usd_per_million": 1, "output_usd_per_million": 1}}
        ],
        "guard": {},
        "cache": {"semantic": {"enabled": True}},
        "observability": {"capture_content": True},
    }
    with echo() as (url, bodies):
        args["providers"] = {"echo": {"base_url": url}}
        with fleet(tmp_path_factory.mktemp("round") / "home", args, replicas=1) as running:
            talk = Spoken(running, bodies)
            try:
                talk.converse(stream=False)
                talk.converse(stream=True)
            except BaseException:
                stop_stack(running.stack)  # the fleet only does so after its tests
                raise
            yield talk


def test_the_users_answers_hold_the_values(spoken: Spoken) -> None:
    for answer in (spoken.answers[2], spoken.answers[5]):
        assert answer.startswith(SAID)
    told = "\n".join(spoken.answers[:3]), "\n".join(spoken.answers[3:])
    for text in told:
        assert [name for name, value in VALUES.items() if value not in text] == []


def test_the_provider_was_sent_none_of_them(spoken: Spoken) -> None:
    assert len(spoken.bodies) >= 3
    assert "<EMAIL_ADDRESS_1>" in spoken.bodies[0]
    assert {name for body in spoken.bodies for name in found_in(body.encode())} == set()


def test_the_store_holds_none_of_them(spoken: Spoken) -> None:
    with valkey.Valkey(unix_socket_path=str(socket_path(spoken.fleet.stack.home))) as store:
        kept: dict[bytes, bytes] = {}

        def is_kept() -> bool:
            kept.update(values_of(store))
            return any(b"<EMAIL_ADDRESS_1>" in value for value in kept.values())

        eventually(is_kept, WAIT_S)  # an entry is written behind the answer
    leaks = {key: names for key, value in kept.items() if (names := found_in(key + b"\n" + value))}
    assert leaks == {}


def test_the_second_conversation_met_the_entries_of_the_first(spoken: Spoken) -> None:
    """So that what is searched are entries that somebody was served from, with values put back."""
    assert spoken.tiers[:3] == ["miss"] * 3
    assert spoken.tiers[3:] == ["exact"] * 3


def traces(running: Fleet) -> list[str]:
    """All traces, as MLflow has them."""
    with httpx.Client(base_url=running.stack.facts["mlflow_url"], timeout=30) as http:
        by_name = http.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "sextant"})
        experiment = by_name.json().get("experiment", {}).get("experiment_id")
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        listed = http.post("/api/3.0/mlflow/traces/search", json={"locations": [location], "max_results": 100})
        ids = [trace["trace_id"] for trace in listed.json().get("traces", ())]
        return [http.get("/api/3.0/mlflow/traces/get", params={"trace_id": each}).text for each in ids]


def test_the_traces_tell_the_masked_words_and_no_value(spoken: Spoken) -> None:
    found: dict[str, str] = {}

    def are_there() -> bool:
        texts = traces(spoken.fleet)
        found.update({name: text for name in spoken.request_ids for text in texts if name in text})
        return len(found) == len(spoken.request_ids)

    eventually(are_there, WAIT_S)
    for text in found.values():
        assert "<PERSON_1>" in text
        assert found_in(text.encode()) == []


def test_nothing_that_was_written_holds_any_of_them(spoken: Spoken) -> None:
    """Logs, SQLite files, the append-only file, the vectors' index, MLflow's database and artifacts."""
    time.sleep(1.5)  # Valkey and SQLite write what they hold once a second at the latest
    contents = {path: path.read_bytes() for path in files_of(spoken.fleet) if path.exists()}
    names = {path.name for path in contents}
    assert {"mlflow.db", "sextant.db"} <= names, sorted(names)
    assert any(name.endswith(".aof") for name in names)
    assert any(path.suffix in {".log", ".out", ".err"} for path in contents)
    leaks = {str(path): found for path, content in contents.items() if (found := found_in(content))}
    assert leaks == {}
    for part in (".aof", "mlflow.db"):  # else there would be nothing to find
        assert any(b"EMAIL_ADDRESS_1" in content for path, content in contents.items() if part in path.name), part
