"""Finding the stack that an eval asks, and making sure that it can be asked."""

import json
from pathlib import Path

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AuthenticationError, OpenAIError

from app.evals.errors import StackError

DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"
CHECK_TIMEOUT_S = 10.0


def running_base_url(home: Path) -> str:
    """The base URL that the launcher wrote into `<home>/run/stack.json`, else the default."""
    path = home / "run" / "stack.json"
    try:
        return str(json.loads(path.read_text())["base_url"])
    except FileNotFoundError:
        return DEFAULT_BASE_URL
    except (OSError, ValueError, KeyError, TypeError):
        raise StackError(f"{path} holds no base_url; start the stack anew, or pass --base-url") from None


def connect(base_url: str, api_key: str) -> AsyncOpenAI:
    """A client that does not retry: a retry would hide a failure and falsify a latency."""
    return AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)


async def check_stack(client: AsyncOpenAI, model: str) -> None:
    """Ask for the list of models. Raises StackError when the eval could not run."""
    try:
        listed = await client.models.list(timeout=CHECK_TIMEOUT_S)
        names = sorted(entry.id for entry in listed.data)
    except APIConnectionError:
        raise StackError(
            f"no server answers at {client.base_url}; start it with `make serve`, or pass --base-url"
        ) from None
    except AuthenticationError:
        raise StackError(f"{client.base_url} refuses the API key; set SEXTANT_API_KEY to a key of that stack") from None
    except APIStatusError as error:
        raise StackError(
            f"{client.base_url} answers /models with {error.status_code}; does the base URL end in /v1?"
        ) from None
    except (OpenAIError, ValueError, AttributeError, TypeError):
        raise StackError(f"{client.base_url} is not an OpenAI-compatible server; check --base-url") from None
    # Adapters are loaded on demand and need not be listed: `<model>:<adapter>`.
    if model.partition(":")[0] not in names:
        raise StackError(f"the stack has no model {model!r}; pass --model with one of: {', '.join(names)}")
