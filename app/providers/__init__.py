"""Hosted models behind the same port as our own.

`build.build_providers` turns the configuration into one `ModelPort` for each hosted model:

    port (openai_port, anthropic_port, litellm_port)   what a model says, in OpenAI's chunks
      └── upstream     one provider: key, headers, errors, whether it answered last
            └── transport    connections: http1 (aiohttp), http2 (h2), or what TLS agrees on
"""
