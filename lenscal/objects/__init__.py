"""Outside tables become lenses, galaxies and contaminants; lenses and contaminants meet the survey on the sphere."""

from lenscal.objects.columns import ObjectsError
from lenscal.objects.contaminants import contaminant_table
from lenscal.objects.galaxies import DEPTHS, TWICE, depth_magnitude, depths_are_inverse, galaxies, magnitude
from lenscal.objects.judging import gates, match_report
from lenscal.objects.lenses import lens_id, lens_table, merge_lenses, redshifts
from lenscal.objects.meeting import (
    contaminants_of,
    covered,
    match_contaminants,
    match_lenses,
    matches_of,
    meet,
    neighbours_of,
)

__all__ = [
    "DEPTHS", "TWICE", "ObjectsError", "contaminant_table", "contaminants_of", "covered", "depth_magnitude", "depths_are_inverse", "galaxies", "gates",
    "lens_id", "lens_table", "magnitude", "match_contaminants", "match_lenses", "match_report", "matches_of", "meet", "merge_lenses", "neighbours_of",
    "redshifts",
]  # fmt: skip
