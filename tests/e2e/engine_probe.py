"""Answers each line on standard input with the engine's load, as JSON, from vLLM's scheduler.

A process of its own, because Ray reads its token's place once, when it is imported.
"""

import json
import sys

import ray
from ray import serve


def main() -> None:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    handle = serve.get_deployment_handle(sys.argv[2], app_name="sextant")
    # The first call finds the replicas; on a loaded machine that can take a while.
    handle.load.remote().result(timeout_s=90)
    for _ in sys.stdin:
        print(json.dumps(handle.load.remote().result(timeout_s=30)), flush=True)


if __name__ == "__main__":
    main()
