"""LLM Guard's scanners that need no model from a hub: `python llm_guard_scanners.py`, in the peers' environment.

These are `Secrets` (detect-secrets), `InvisibleText` and `Regex` with LLM Guard's documented example of a pattern. Its
`Anonymize` and `PromptInjection` load DeBERTa models from a hub at start, and are not measured where there is none.

It reads jobs as JSON lines, as `benchmarks.guard.rails` does, and imports nothing of this project.
"""

import json
import logging
import sys
import time
from typing import Any


def build() -> list[Any]:
    """The scanners."""
    import structlog  # type: ignore[import-not-found,unused-ignore]  # it is in the peers' environment
    from llm_guard.input_scanners import (  # type: ignore[import-not-found,unused-ignore]  # as above
        InvisibleText,
        Regex,
        Secrets,
    )

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return [Secrets(), InvisibleText(), Regex(patterns=[r"Bearer [A-Za-z0-9-._~+/]+"])]


def scan(scanners: list[Any], texts: list[str], warm_up: int) -> list[float]:
    """Milliseconds for each text, all scanners one after the other as `scan_prompt` runs them."""
    times = []
    for text in texts:
        start = time.perf_counter()
        for scanner in scanners:
            text, _, _ = scanner.scan(text)
        times.append((time.perf_counter() - start) * 1000)
    return times[warm_up:]


if __name__ == "__main__":
    made = build()
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps({"times_ms": scan(made, job["texts"], job["warm_up"])}), flush=True)
