"""What happens to a request: plain async Python that never imports ray, vllm or a deployment."""
