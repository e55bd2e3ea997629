"""The application: the whole graph on one screen.

    client ─> Ingress ─┬─> Guard       screens the input     ┐ at the same time
                       ├─> Cache       embeds, finds what means the same, owns Valkey ┘
                       ├─> Retriever   searches the knowledge base
                       └─> Model:<id>  vLLM, autoscaled, one deployment for each model

`serve run deployments/laptop.yaml` and `serve run deployments/gpu.yaml` build it from their `args`.
(No `from __future__ import annotations` here: Serve reads the class of `args` to validate it.)
"""

from ray import serve
from ray.serve import Application

from app.config import StackConfig, load_secrets
from app.provenance import with_revisions
from app.sql.database import database_url
from app.sql.migrate import migrate
from deployments import draining
from deployments.cache import Cache
from deployments.guard import Guard
from deployments.ingress import Ingress
from deployments.model import build_model
from deployments.retriever import Retriever

# Logical CPUs, Ray's bookkeeping: what a process is counted as, not what it may use.
LIGHT, HEAVY = {"num_cpus": 0.1}, {"num_cpus": 0.5}


def build_app(args: StackConfig) -> Application:
    """Bind the graph. Raises ConfigError when a secret or a model's weights are missing, Unavailable when the database
    is."""
    load_secrets(args.home)
    args = with_revisions(args)
    migrate(database_url(args.accounts.url, args.home))
    guard = serve.deployment(
        Guard,
        name="Guard",
        num_replicas=args.guard.replicas,
        ray_actor_options=HEAVY,
        max_ongoing_requests=64,
        graceful_shutdown_timeout_s=draining.of_guard(args),
    ).bind(args)
    models = {model.id: build_model(args, model) for model in args.models}
    cache = serve.deployment(
        Cache,
        name="Cache",
        ray_actor_options=HEAVY,
        max_ongoing_requests=256,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=draining.of_model(args),
    ).bind(args, models.get(args.cache.semantic.agreement.model or ""))
    retriever = serve.deployment(
        Retriever,
        name="Retriever",
        ray_actor_options=HEAVY,
        max_ongoing_requests=256,
        graceful_shutdown_timeout_s=draining.of_retriever(args),
    ).bind(args)
    ingress = serve.deployment(
        Ingress,
        name="Ingress",
        num_replicas=args.gateway.replicas,
        ray_actor_options=LIGHT,
        max_ongoing_requests=args.gateway.max_ongoing_requests,
        graceful_shutdown_timeout_s=draining.of_ingress(args),
    )
    return ingress.bind(args, guard if args.guard.enabled else None, cache, retriever, models)
