"""Measuring retrieval: questions with gold passages over text that every checkout has, and the systems compared."""
