"""The least that a Serve application can do: a FastAPI ingress that gives everybody the same chat completion.

It runs in the same Serve instance as the stack, behind the same proxy: what the stack takes beyond it is its own.
"""

from fastapi import FastAPI, Request, Response
from ray import serve

from benchmarks.cache.provider import body_of

BODY = body_of("The least that is answered is this answer")

api = FastAPI()


@serve.ingress(api)
class Noop:
    """Answers without looking."""

    @api.post("/v1/chat/completions")
    async def answer(self, request: Request) -> Response:
        """The fixed answer; the body is read, as it has come over the wire in any case."""
        await request.body()
        return Response(BODY, media_type="application/json")


noop = serve.deployment(Noop, name="Noop", ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=256).bind()
