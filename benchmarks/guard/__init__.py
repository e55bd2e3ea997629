"""What the guard adds to a request, beside bare Presidio and LLM Guard."""
