"""Every figure of the report, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lenscal.report.figures import (
    balance,
    cubes,
    diagnostics,
    gallery,
    judgement,
    rates,
    realism,
    samples,
    scores,
    sky,
    style,
    two_detectors,
)
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIXED: dict[str, Callable[[Inputs], Figure | str]] = {
    "data": samples.data,
    "splits": balance.splits,
    "waterfall": balance.waterfall,
    "quality": diagnostics.quality,
    "history": diagnostics.history,
    "scores": scores.distributions,
    "judgement_curves": judgement.curves,
    "judgement_calibration": judgement.calibration,
    "judgement_shortcuts": judgement.shortcuts,
    "injections": diagnostics.injections,
    "realism_measures": realism.measures,
    "realism_noise": realism.noise,
    "realism_tests": realism.tests,
    "realism_panel": realism.panel,
    "occupancy": cubes.occupancy,
    "sky_map": sky.footprint,
    "validation": rates.validation,
    "false_positives": rates.false_positives,
    "missed": rates.missed,
}
"""Figures that every report has; a text in place of a figure says why there is none."""


def plans(inputs: Inputs) -> dict[str, Callable[[], Figure | str]]:
    """Every figure of these inputs: its name, and the call that draws it."""
    found: dict[str, Callable] = {name: partial(draw, inputs) for name, draw in FIXED.items()}
    for index in range(inputs.completeness.sizes["threshold"]):
        found[map_name(inputs, index)] = partial(cubes.maps, inputs, index)
        found[curve_name(inputs, index)] = partial(cubes.curves, inputs, index)
        for depth in inputs.completeness["depth"].values:
            found[map_name(inputs, index, depth)] = partial(cubes.depth_map, inputs, index, float(depth))
    if inputs.beside is not None:
        found |= two_detectors.plans(inputs.beside)
    for kind in gallery.kinds(inputs):
        found[gallery_name(kind)] = partial(gallery.pictures, inputs, kind)
    return found


def _suffix(inputs: Inputs, index: int) -> str:
    """Of a threshold, where there are several."""
    rates_ = inputs.thresholds["rate_requested"].values
    return f"_fpr{rates_[index]:g}" if len(rates_) > 1 else ""


def map_name(inputs: Inputs, index: int, depth: float | None = None) -> str:
    """File name of a completeness map, of all depths or one."""
    return (
        "completeness_maps" + _suffix(inputs, index)
        if depth is None
        else f"completeness_depth{depth:g}{_suffix(inputs, index)}"
    )


def curve_name(inputs: Inputs, index: int) -> str:
    """File name of the completeness curves."""
    return "completeness_curves" + _suffix(inputs, index)


def gallery_name(kind: str) -> str:
    """File name of the gallery of one kind of failure."""
    return "gallery_" + "".join(c if c.isalnum() else "_" for c in kind)


def draw(inputs: Inputs) -> Iterator[tuple[str, bytes | str, bytes | None]]:
    """(name, PNG, PDF) of each figure; (name, why there is none, None) where it has none."""
    for name, plan in plans(inputs).items():
        with style.styled():
            figure = plan()
            if isinstance(figure, str):
                yield name, figure, None
            else:
                yield name, style.png(figure), style.pdf(figure)
