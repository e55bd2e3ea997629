"""From files on disk to passages in the knowledge base: discover, plan, parse, chunk, embed, store."""
