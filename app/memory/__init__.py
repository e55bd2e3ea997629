"""Memory: conversations by id, their summaries, and facts about end users. What is kept is what the guard left."""
