"""Realism: real lenses and injections under one estimator, criterion by criterion GO or NO-GO.

`matching` says which injections stand beside which real lenses, `measures` what is measured on the pixels of both,
`judge` and `criteria` compare, `probe` is a classifier that needs no detector, `sensitivity` asks what another prior or
source would change.
"""

from lenscal.realism import criteria, recovery, sensitivity
from lenscal.realism.criteria import gates
from lenscal.realism.judge import judge, sensitive
from lenscal.realism.matching import anchors, candidates, one_per_host, panel, selected, trials, with_radius
from lenscal.realism.measures import Pixels, centred, pixels
from lenscal.realism.samples import Sample
from lenscal.realism.sensitivity import bare, changes, inner_images, variants

__all__ = [
    "Pixels",
    "Sample",
    "anchors",
    "bare",
    "candidates",
    "centred",
    "changes",
    "criteria",
    "gates",
    "inner_images",
    "judge",
    "one_per_host",
    "panel",
    "pixels",
    "recovery",
    "selected",
    "sensitive",
    "sensitivity",
    "trials",
    "variants",
    "with_radius",
]
