"""As much of MLflow's server as the stack talks to, on a real socket. It answers as MLflow 3.17 does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Mlflow(ThreadingHTTPServer):
    """Experiments by name, and what was sent to them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.experiments: dict[str, str] = {}
        self.traces: list[str | None] = []  # the experiment's id of each batch that was taken
        self.status = 200  # of batches to an experiment that is there
        self.look_up_status: int | None = None  # instead of an answer to a look-up
        self.rival: str | None = None  # id of the experiment that somebody else makes between look-up and creation
        self.next_id = 7
        self.asked: list[tuple[str, str | None]] = []  # path, authorization

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def look_ups(self) -> int:
        """How often an experiment was looked up by its name."""
        return sum(path.endswith("/get-by-name") for path, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    server: Mlflow

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.server.asked.append((address.path, self.headers["authorization"]))
        if not address.path.endswith("/get-by-name"):
            self._reply(200 if address.path == "/health" else 404, "{}")
            return
        if self.server.look_up_status:
            self._reply(self.server.look_up_status, "{}")
            return
        found = self.server.experiments.get(parse_qs(address.query)["experiment_name"][0])
        if self.server.rival:
            self.server.experiments["sextant"], self.server.rival = self.server.rival, None
        if found is None:
            self._reply(404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}')
        else:
            self._reply(200, json.dumps({"experiment": {"experiment_id": found}}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, self.headers["authorization"]))
        if self.path.endswith("/experiments/create"):
            self._create(json.loads(body)["name"])
            return
        experiment = self.headers["x-mlflow-experiment-id"]
        if experiment not in self.server.experiments.values():
            self._reply(404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no experiment of that id"}')
            return
        if self.server.status == 200:
            self.server.traces.append(experiment)
        self._reply(self.server.status, "")

    def _create(self, name: str) -> None:
        if name in self.server.experiments:
            self._reply(400, '{"error_code": "RESOURCE_ALREADY_EXISTS", "message": "already exists"}')
            return
        self.server.experiments[name] = str(self.server.next_id)
        self._reply(200, json.dumps({"experiment_id": self.server.experiments[name]}))

    def _reply(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@contextmanager
def running_mlflow() -> Iterator[Mlflow]:
    """A server of its own thread."""
    server = Mlflow()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
