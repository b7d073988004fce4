"""Ways from scores to probabilities, fitted on the validation split alone and compared on the test split; the shipped
one is not changed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit

from lenscal import config
from lenscal.detector import calibration
from lenscal.errors import InputError
from lenscal.kernels import bootstrap, reliability
from lenscal.scores.curves import LEVEL
from lenscal.scores.rows import Sample
from lenscal.scores.strata import unknown

SHIPPED = "as shipped"
LIMITS = -7.0, 7.0  # of the logarithm of the temperature
Calibrator = Callable[[np.ndarray], np.ndarray]


def platt(score: np.ndarray, positive: np.ndarray, prevalence: float) -> tuple[Calibrator, str]:
    """Slope and offset of the logit (`detector.calibration.fit`)."""
    slope, offset = calibration.fit(score, positive, prevalence)
    return lambda s: expit(slope * np.asarray(s, np.float64) + offset), f"slope {slope:.4g}, offset {offset:.4g}"


def temperature(score: np.ndarray, positive: np.ndarray, prevalence: float) -> tuple[Calibrator, str]:
    """The score over one temperature (Guo et al. 2017, ICML): it moves no offset, so that scores learned at another
    share of lenses stay off.
    """
    score = np.asarray(score, np.float64)
    weights = reliability.at_prevalence(positive, prevalence)

    def cost(logarithm: float) -> float:
        z = score * np.exp(-logarithm)
        return -float((weights * np.where(positive, log_expit(z), log_expit(-z))).sum())

    found = float(np.exp(minimize_scalar(cost, bounds=LIMITS, method="bounded").x))
    return lambda s: expit(np.asarray(s, np.float64) / found), f"temperature {found:.4g}"


def isotonic(score: np.ndarray, positive: np.ndarray, prevalence: float) -> tuple[Calibrator, str]:
    """Steps that never fall (scikit-learn's `IsotonicRegression`, in double precision), held off 0 and 1 by half a row
    of what they were fitted on.
    """
    from sklearn.isotonic import IsotonicRegression

    weights = reliability.at_prevalence(positive, prevalence)
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    model.fit(np.asarray(score, np.float64), np.asarray(positive, np.float64), sample_weight=weights)
    rim = float(weights.min()) / 2
    steps = f"{model.X_thresholds_.size} knots, at least {rim:.2g} from 0 and 1"
    return lambda s: np.clip(model.predict(np.asarray(s, np.float64)), rim, 1 - rim), steps


FITS = {"Platt": platt, "temperature": temperature, "isotonic": isotonic}
_LOSSES = {"log_loss": reliability.log_loss, "brier": reliability.brier}
_NAMES = (*_LOSSES, "error")
COLUMNS = [
    "calibrator",
    "about",
    "n_fitted",
    *(f"{name}{end}" for name in _NAMES for end in ("", "_lower", "_upper")),
    "log_loss_change",
    "log_loss_change_lower",
    "log_loss_change_upper",
    "why_not",
]


def compared(fitted_on: Sample, judged_on: Sample, prevalence: float, settings: config.Scores) -> pd.DataFrame:
    """Proper scores and calibration error of each way, on rows that it was not fitted on.

    Parameters
    ----------
    fitted_on, judged_on : Sample
        Of the splits val and test.
    prevalence : float
        Share of lenses, in the fit and in the comparison.
    settings : config.Scores

    Returns
    -------
    DataFrame
        One row for the shipped probabilities and each of `FITS`, `COLUMNS`: log_loss, brier, error (expected
        calibration error), each with a 95 % interval by resampled galaxies; log_loss_change from the shipped ones on
        the same resamples, below 0 where better. why_not where it has no number.
    """
    rows, shipped = [], None
    none = judged_on.why_not(settings.stratum_min, " in the split test")
    for name in (SHIPPED, *FITS):
        why, about, probability = none, "", None
        if name == SHIPPED:
            why = why or unknown(judged_on)
            probability = judged_on.probability
        else:
            why = why or fitted_on.why_not(settings.stratum_min, " in the split val")
            if not why:
                try:
                    made, about = FITS[name](fitted_on.score, fitted_on.positive, prevalence)
                    probability = made(judged_on.score)
                except InputError as error:
                    why = str(error)
        out: dict[str, object] = {
            "calibrator": name,
            "about": about,
            "n_fitted": 0 if name == SHIPPED else fitted_on.ids.size,
            "why_not": why,
        }
        if not why:
            numbers, losses = _numbers(judged_on, probability, prevalence, settings.bins)
            out |= numbers
            shipped = losses if name == SHIPPED else shipped
            if shipped is not None and name != SHIPPED:
                out |= _ends("log_loss_change", losses[0] - shipped[0], losses[1] - shipped[1], judged_on.few)
        rows.append(out)
    return pd.DataFrame(rows, columns=COLUMNS)


def _numbers(
    sample: Sample, probability: np.ndarray, prevalence: float, bins: int
) -> tuple[dict, tuple[float, np.ndarray]]:
    """Measures with their intervals, and the log loss of the sample and of its resamples."""
    positive = sample.positive
    weights = reliability.at_prevalence(positive, prevalence)
    own = reliability.equal_mass_bins(probability, bins)
    lost = np.stack([loss(probability, positive) for loss in _LOSSES.values()], axis=1)
    at = lambda w: np.hstack([w @ lost, reliability.bin_misses(probability, positive, own, w)])  # noqa: E731
    drawn = sample.resampled(lambda w, _: at(reliability.at_prevalence(positive, prevalence, w)))
    found = at(weights)
    out: dict[str, float] = {}
    for i, name in enumerate(_LOSSES):
        out |= _ends(name, float(found[i]), drawn[:, i], sample.few)
    error = reliability.error_interval(found[2:], drawn[:, 2:], sample.few, LEVEL)
    return out | dict(zip(("error", "error_lower", "error_upper"), error)), (float(found[0]), drawn[:, 0])


def _ends(name: str, value: float, drawn: np.ndarray, few: int) -> dict[str, float]:
    lower, upper = bootstrap.ends(value, drawn, few, LEVEL)
    if name in _LOSSES:
        lower = max(lower, 0.0)
    return {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
