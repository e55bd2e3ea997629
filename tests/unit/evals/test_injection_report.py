"""What a measurement of the injection rail comes to, in numbers that MLflow takes."""

import re

import numpy as np

from app.evals.guard.injection import Measured
from app.evals.guard.injection_report import metrics
from app.evals.guard.injection_set import Labelled

ROWS = [Labelled(str(n), n % 2 == 0, "kind", "file") for n in range(8)]
SCORES = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.6, 0.3, 0.0])


def test_every_set_has_its_numbers_under_a_name_that_mlflow_takes() -> None:
    found = metrics([Measured("packages' descriptions, unseen", ROWS, SCORES)])
    assert found["packages_descriptions_unseen.found"] == 0.75
    assert found["packages_descriptions_unseen.flagged"] == 0.25
    assert all(re.fullmatch(r"[\w.\- /]+", name) for name in found)


def test_a_set_without_attacks_has_no_number_for_what_cannot_be_told() -> None:
    harmless = [row for row in ROWS if not row.is_attack]
    found = metrics([Measured("docs", harmless, SCORES[1::2])])
    assert found["docs.flagged"] == 0.25
    assert "docs.auc" not in found
    assert "docs.found" not in found
