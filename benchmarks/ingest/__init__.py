"""How fast documents become passages with vectors in a store, beside the bare embedder and other pipelines."""
