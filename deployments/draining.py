"""How long a replica may take to finish what it has begun once Serve wants it gone: its `graceful_shutdown_timeout_s`.

That is when fewer replicas are needed, and when a configuration is deployed. Past it the replica is killed with its
requests; Serve's own default is 20 s. One that has nothing to do goes at once, however long it might take.
"""

from app.config import StackConfig
from deployments.handles import PATIENCE_S

# Serve looks every 2 s whether all is done, and a stream that has run into its deadline says so to its client.
MARGIN_S = 10.0
# Load balancers are given time to forget an ingress: RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S.
STILL_REACHABLE_S = 30.0


def of_model(config: StackConfig) -> float:
    """Seconds for a model's replica, or one of the Cache, which embeds for clients: the longest request."""
    return max(config.gateway.request_timeout_s, PATIENCE_S) + MARGIN_S


def of_ingress(config: StackConfig) -> float:
    """Seconds for an ingress, which is sent new requests for a while: such a one's body has to arrive first. That of an
    upload may take longer than any other request as a whole."""
    gateway = config.gateway
    longest_s = max(gateway.body_timeout_s + gateway.request_timeout_s, config.batches.upload_timeout_s)
    return STILL_REACHABLE_S + longest_s + MARGIN_S


def of_guard(config: StackConfig) -> float:
    """Seconds for the Guard, whose rails have deadlines."""
    return config.guard.far_timeout_ms / 1000 + MARGIN_S


def of_retriever(config: StackConfig) -> float:
    """Seconds for the Retriever: a search, or what an administrator has asked for."""
    return max(config.retrieval.timeout_ms / 1000, PATIENCE_S) + MARGIN_S
