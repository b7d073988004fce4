"""The tables of the page, each made from the products of the run by one function."""

# isort: off
# In the order of the page, which is that of `SUMMARIES`.
from .sample import galaxies, reasons
from .recovery import headline_completeness, recovered, warning
from . import realism, judgement, beside  # noqa: F401
from .verdicts import ledgers
from .summary import JUDGED, LEVEL, SUMMARIES, Summary, headline, scored, share

__all__ = [
    "JUDGED",
    "LEVEL",
    "SUMMARIES",
    "Summary",
    "galaxies",
    "headline",
    "headline_completeness",
    "ledgers",
    "reasons",
    "recovered",
    "scored",
    "share",
    "warning",
]
