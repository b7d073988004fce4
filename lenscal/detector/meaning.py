"""What the numbers of a brought detector mean, and on what it was trained, by its own word."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from lenscal.detector.declaration import Declaration
from lenscal.detector.preprocessing import unmasked
from lenscal.errors import InputError


def check(scores: np.ndarray, declaration: Declaration, where: str = "") -> None:
    """Refuse scores that are not what `output` says.

    Raises
    ------
    InputError
        Declared probabilities that leave [0, 1], or declared logits that all lie in it.
    """
    low, high = float(scores.min()), float(scores.max())
    found = f"found scores{where} from {low:.4g} to {high:.4g}"
    if declaration.output == "probability" and (low < 0 or high > 1):
        raise InputError(f"detector: declared are probabilities, {found}; declare `output: logit` or `output: score`")
    if declaration.output == "logit" and low >= 0 and high <= 1:
        raise InputError(
            f"detector: declared are logits, {found}, all in [0, 1] as probabilities are; declare "
            "`output: probability`, or `output: score` if they are none"
        )


def probability(scores: np.ndarray, declaration: Declaration) -> np.ndarray:
    """Probability of scores, float32: what is declared to be one, else the logistic function, fitted to nothing."""
    values = unmasked(scores).astype(np.float64)
    return (values if declaration.output == "probability" else expit(values)).astype(np.float32)


def origin(survey: Mapping | None) -> str:
    """On what it was trained, in words; `survey` is its layer and whether that was a mock."""
    if survey is None or not (survey["layer"] or survey["mock"]):
        return "which does not say on what it was trained"
    return "trained on " + ("the embedded (mock) sky" if survey["mock"] else f"'{survey['layer']}'")
