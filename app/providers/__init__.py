"""Hosted models behind the same port as our own."""
