"""A double of hosted providers: OpenAI's and Anthropic's wires over a real socket, with faults to order.

    python -m tests.provider_double --port 9001 --tokens 8 --delay-ms 0

    async with ProviderDouble(tokens=8) as double:
        double.fail("429", share=0.3, retry_after_s=1)
        ...  # requests to f"{double.url}/v1"
        await double.seen.until(lambda seen: seen.cancelled == 1)

It speaks every wire at once and tells them apart by the end of the path: `/chat/completions` (any
base address, so Azure's deployments too), `/completions`, Anthropic's `/messages`, and `/models`.
Answers are whole or streamed; tools are called when offered (until their result is there); a JSON
schema is answered with an example of it. Usage is exact: a prompt token is a word of the messages,
a generated token is one streamed piece.

Faults (the list is in `faults`) are set
- in the process: `double.fail("500", share=0.3, count=10, model="m")`, `double.heal()`;
- from outside: `POST /control {"fault": "500", "share": 0.3, "count": 10, "model": "m", "retry_after_s": 1,
  "delay_s": 1}`; `{"fault": null}` clears all; `{"tokens": 32, "delay_ms": 5}` changes the answers;
- by a request for itself: header `x-double-fault: 500`, or a model name that ends in `!500`.

`GET /control` gives the counts: requests, completed, failed, cancelled (the client left before the
last byte), tokens, connections, open, and the first five for each model under `models`. A double
that dies and comes back: `await double.stop()`, `await double.start()`.
"""

from tests.provider_double.double import ProviderDouble
from tests.provider_double.faults import Fault
from tests.provider_double.seen import Counts, Received, Seen

__all__ = ["Counts", "Fault", "ProviderDouble", "Received", "Seen"]
