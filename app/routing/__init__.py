"""Which model answers: policies, splits, retries, breakers, failover."""
