"""Experiments: the same trials with one thing changed, pair by pair, and who made the difference.

`variant` says what is changed, `paired` counts what the change did, `views` are changes of pixels, `arms` crosses
several factors. It knows arrays and tables: pixels and scores come from `lenscal.audit.experiments`.
"""

from lenscal.experiments.arms import FACTORS, crossed, gap, mixed
from lenscal.experiments.paired import Paired, compared
from lenscal.experiments.variant import Variant

__all__ = ["FACTORS", "Paired", "Variant", "compared", "crossed", "gap", "mixed"]
