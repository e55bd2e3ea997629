"""The application: the whole graph on one screen.

    client ─> Ingress ─┬─> Guard       screens the input     ┐ at the same time
                       ├─> Cache       embeds, owns Valkey   ┘
                       ├─> Retriever   searches the knowledge base
                       └─> Model:<id>  vLLM, autoscaled, one deployment for each model

`serve run deployments/laptop.yaml` and `serve run deployments/gpu.yaml` build it from their `args`.
(No `from __future__ import annotations` here: Serve reads the class of `args` to validate it.)
"""

from ray.serve import Application

from app.config import StackConfig, load_secrets
from deployments.cache import Cache
from deployments.guard import Guard
from deployments.ingress import Ingress
from deployments.model import build_model
from deployments.retriever import Retriever


def build_app(args: StackConfig) -> Application:
    """Bind the graph. Raises ConfigError when a secret is missing."""
    load_secrets(args.home)
    guard = Guard.options(num_replicas=args.guard.replicas).bind(args.guard) if args.guard.enabled else None
    cache = Cache.bind(args)
    retriever = Retriever.bind(args)
    models = {model.id: build_model(args, model) for model in args.models}
    return Ingress.options(
        num_replicas=args.gateway.replicas, max_ongoing_requests=args.gateway.max_ongoing_requests
    ).bind(args, guard, cache, retriever, models)
