"""Secrets: keys, tokens, passwords and connection strings."""
