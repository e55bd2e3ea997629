"""The way of a request: pipeline.py reads like the picture in docs/architecture.md."""
