"""Rails of answers that need more than the answer: the system prompt, the passages, a schema, a window of a stream."""
