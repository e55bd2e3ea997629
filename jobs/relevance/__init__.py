"""Training the relevance of passages: `jobs/train_relevance.py`."""
