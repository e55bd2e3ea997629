"""The wire: OpenAI's request bodies, Sextant's extension of them, and how bytes become either."""
