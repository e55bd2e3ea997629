"""The semantic tier: an index over exact entries, and the decision whether one of them answers a question."""
