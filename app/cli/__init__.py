"""The command `sextant`: keys, limits, budgets and usage of a running stack, over its admin routes."""

from app.cli.main import main

__all__ = ["main"]
