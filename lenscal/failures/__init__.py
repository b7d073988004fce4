"""Failures: what is taken for a lens, which lenses are missed, and where completeness collapses."""

from .collapse import collapsed
from .gallery import gallery
from .gates import gates
from .lenses import missed_lenses, recovered
from .rates import CONSISTENT, false_positives, missed

__all__ = [
    "CONSISTENT",
    "collapsed",
    "false_positives",
    "gallery",
    "gates",
    "missed",
    "missed_lenses",
    "recovered",
]
