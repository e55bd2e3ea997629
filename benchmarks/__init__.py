"""Measurements beside peers: each a package that is run, `python -m benchmarks.gateway`, on what lies beside them."""
