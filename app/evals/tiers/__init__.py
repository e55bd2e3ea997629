"""Training the tiered router's classifier from graded answers, and measuring what it saves.

`grades` (who answered what how well) -> `training` (a `TierClassifier`) -> `comparison` (against always
small, always large, chance and an oracle). `plots` and `record` load matplotlib and mlflow.
"""
