"""What a search of the embedded knowledge base takes, and what it misses."""
