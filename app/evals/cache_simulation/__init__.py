"""The semantic tier on a stream of requests whose right answers are known."""
