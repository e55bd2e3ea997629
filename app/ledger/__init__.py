"""Limits and money: reserved before a call, settled after it, never overspent."""
