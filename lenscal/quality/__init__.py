"""Quality of the cutouts: measures and reasons, a summary of each block, and the page that shows them."""

from lenscal.quality.gates import gates
from lenscal.quality.limits import QualityError, check_block
from lenscal.quality.measures import REASONS, STAR_RADIUS, measure
from lenscal.quality.page import page, shown
from lenscal.quality.partitions import partitions, summary
from lenscal.quality.planes import compared, of_bricks, plane_gates

__all__ = [
    "REASONS",
    "STAR_RADIUS",
    "QualityError",
    "check_block",
    "compared",
    "gates",
    "measure",
    "of_bricks",
    "page",
    "partitions",
    "plane_gates",
    "shown",
    "summary",
]
