"""Scores: of cutouts and injections by the frozen detector, the thresholds they set, and how good they are."""

from lenscal.scores.judging import gates
from lenscal.scores.rates import thresholds
from lenscal.scores.scoring import score_cutouts, score_injections

__all__ = ["gates", "score_cutouts", "score_injections", "thresholds"]
