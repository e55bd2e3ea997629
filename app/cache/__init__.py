"""The cache: what may be kept, under which key, and where."""
