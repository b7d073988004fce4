"""Scores: of cutouts and injections by the frozen detector, the thresholds they set, and how good they are."""

from lenscal.scores.gates import gates
from lenscal.scores.judgement import Terms, at_thresholds, judge
from lenscal.scores.rates import EVENTS_MIN, few_events, thresholds
from lenscal.scores.scoring import score_cutouts, score_injections

__all__ = [
    "EVENTS_MIN",
    "Terms",
    "at_thresholds",
    "few_events",
    "gates",
    "judge",
    "score_cutouts",
    "score_injections",
    "thresholds",
]
