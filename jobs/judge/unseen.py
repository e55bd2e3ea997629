"""A judge from a file that may be measured: this code can read it, and the test half has not trained it."""

import zipfile
from pathlib import Path

from app.cache.judge.model import JudgeModel
from app.evals import StackError
from app.evals.errors import DatasetError


def load_judge(path: Path) -> JudgeModel:
    """Raises StackError when the file is missing, broken or of another version."""
    try:
        return JudgeModel.load(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StackError(f"no judge that this code can read: {error}") from None


def check_unseen(
    model: JudgeModel,
    training_groups: int,
    remedy: str = "train it on that half, or pass --all-groups and trust the result less",
) -> None:
    """Raise DatasetError when the judge was trained on more groups than the training half has: it has seen the others
    then."""
    taught = model.card.get("groups")
    if not isinstance(taught, int) or taught > training_groups:
        raise DatasetError(
            f"the judge was trained on {taught} groups and the training half has {training_groups}: it may have seen "
            f"what it would be tested on; {remedy}"
        )
