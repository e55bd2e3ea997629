"""Whether the stored answer to one question answers another: the second check of the semantic cache."""

from app.cache.judge.judge import PairJudge, load_judge
from app.cache.judge.verdict import Verdict

__all__ = ["PairJudge", "Verdict", "load_judge"]
