"""Measurements beside peers: each a module that is run, `python -m benchmarks.gateway`."""
