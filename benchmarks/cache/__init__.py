"""What a cache costs and what it saves, beside a no-op ingress, LiteLLM's cache and GPTCache."""
