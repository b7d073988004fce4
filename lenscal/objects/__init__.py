"""Outside tables become lenses, galaxies and contaminants; lenses and contaminants meet the survey on the sphere."""

from lenscal.objects.columns import ObjectsError, stand_ins
from lenscal.objects.contaminants import contaminant_table
from lenscal.objects.depths import DEPTHS, Depths, depth_magnitude, depths_are_inverse
from lenscal.objects.galaxies import ELSEWHERE, TWICE, galaxies, magnitude
from lenscal.objects.gates import catalogue_gates, footprint_gate, gates, match_report
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
from lenscal.objects.releases import check_all, check_file, check_regions

__all__ = [
    "DEPTHS",
    "ELSEWHERE",
    "TWICE",
    "Depths",
    "ObjectsError",
    "catalogue_gates",
    "check_all",
    "check_file",
    "check_regions",
    "contaminant_table",
    "contaminants_of",
    "covered",
    "depth_magnitude",
    "depths_are_inverse",
    "footprint_gate",
    "galaxies",
    "gates",
    "lens_id",
    "lens_table",
    "magnitude",
    "match_contaminants",
    "match_lenses",
    "match_report",
    "matches_of",
    "meet",
    "merge_lenses",
    "neighbours_of",
    "redshifts",
    "stand_ins",
]
