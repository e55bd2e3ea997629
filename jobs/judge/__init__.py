"""Training of the semantic cache's judge."""
