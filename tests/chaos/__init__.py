"""Slow tests that hurt a running stack: `make chaos`."""
