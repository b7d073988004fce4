"""The selection function as an object of its own: trials with densities, and what they say of another population."""

from lenscal.selection.found_table import found_missed
from lenscal.selection.reweighting import FEATURES, Reweighted, SupportError, reweight
from lenscal.selection.trial_tables import table_of

__all__ = ["FEATURES", "Reweighted", "SupportError", "found_missed", "reweight", "table_of"]
