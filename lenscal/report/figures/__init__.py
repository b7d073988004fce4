"""Every figure of the report, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from lenscal.report import drawing
from lenscal.report.asked import Rendered
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
from lenscal.report.kept import Kept

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
    return {name: partial(draw, inputs) for name, draw in drawings(inputs).items()}


def drawings(inputs: Inputs) -> dict[str, Callable[[Inputs], Figure | str]]:
    """Every figure that inputs like these have: its name, and the function that draws it of them."""
    found: dict[str, Callable] = dict(FIXED)
    for index in range(inputs.completeness.sizes["threshold"]):
        found[map_name(inputs, index)] = partial(cubes.maps, threshold=index)
        found[curve_name(inputs, index)] = partial(cubes.curves, threshold=index)
        for depth in inputs.completeness["depth"].values:
            found[map_name(inputs, index, depth)] = partial(cubes.depth_map, threshold=index, depth=float(depth))
    if inputs.beside is not None:
        found |= {name: partial(_beside, name=name) for name in two_detectors.plans(inputs.beside)}
    for kind in gallery.kinds(inputs):
        found[gallery_name(kind)] = partial(gallery.pictures, kind=kind)
    return found


def _beside(inputs: Inputs, name: str) -> Figure | str:
    """A figure of the other detector."""
    assert inputs.beside is not None
    return two_detectors.plans(inputs.beside)[name]()


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


def draw(inputs: Inputs, kept: Kept | None = None) -> Iterator[tuple[str, bytes | str, bytes | None]]:
    """(name, PNG, PDF) of each figure; (name, why there is none, None) where it has none.

    A figure of an earlier report (`kept`) whose inputs are the same now is taken from there; the others are drawn by
    as many processes as there are processors.
    """
    kept = kept or Kept(inputs)
    plans_ = drawings(inputs)
    found = {name: kept.of(name, plan) for name, plan in plans_.items()}
    todo = [name for name, one in found.items() if one is None]
    own = [name for name in todo if name in _pictured(inputs)]
    others = [name for name in todo if name not in own]
    number = {name: i for i, name in enumerate(todo)}
    drawn = drawing.each(
        lambda i: _drawn(kept, plans_[todo[i]]),
        [number[name] for name in own],
        [number[name] for name in others],
        drawing.processes(len(todo)),
    )
    for name in todo:
        asked, picture, vectors, in_page = drawn[number[name]]
        found[name] = (picture, vectors) if vectors else (picture.decode(), None)
        kept.note(name, plans_[name], json.loads(asked), found[name][0], in_page.decode())
    for name, one in found.items():
        assert one is not None
        yield name, *one


def _pictured(inputs: Inputs) -> set[str]:
    """Figures whose images are yet to be read from stores."""
    found = {"realism_panel"} if isinstance(inputs.panel_images, Rendered) else set()
    if isinstance(inputs.gallery_images, Rendered):
        found |= {gallery_name(kind) for kind in gallery.kinds(inputs)}
    return found


def _drawn(kept: Kept, plan: Callable) -> drawing.Drawn:
    """What a figure asked of the inputs; its PNG, its PDF and how a page holds it, or why there is none."""
    asked = kept.asked()
    with style.styled():
        figure = plan(asked)
        if isinstance(figure, str):
            return json.dumps(asked.noted).encode(), figure.encode(), b"", b""
        picture, vectors = style.png(figure), style.pdf(figure)
    return json.dumps(asked.noted).encode(), picture, vectors, style.embedded(picture).encode()
