"""Pictures of the failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal import schema
from lenscal.report.figures import style
from lenscal.report.figures.colour import grz
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 6
BAR = 5.0  # arcsec
LABEL = 0.36  # inches below each picture, three lines of text


def kinds(inputs: Inputs) -> list[str]:
    """Kinds of failure that the gallery shows, in its order."""
    return [] if inputs.gallery is None else list(dict.fromkeys(inputs.gallery["kind"].astype(str)))


def labels(inputs: Inputs, kind: str) -> list[str]:
    """What each row of one kind is, its score, and where it is on the right side of the first threshold after all, that
    too.
    """
    rows = inputs.gallery[inputs.gallery["kind"].astype(str) == kind]
    about = inputs.manifest.set_index("galaxy_id")[["pool", "tier", "confuser_class"]]
    out = []
    for row, wrong in zip(rows.to_dict("records"), inputs.wrong_side[kind]):
        if row["trial"] >= 0:
            lens, text = True, f"θ$_E$ {row['theta_e']:g}″\nPSF {row['psf_fwhm']:g}″, {row['depth']:g} mag"
        else:
            pool, tier, name = about.loc[int(row["galaxy_id"])]
            lens = pool == "positive"
            text = f"lens, {tier}" if lens else f"{pool}\n{name}" if name else pool
        score = f"score {row['score']:.2f}".replace("-", "−")
        out.append(f"{text}\n{score}" + ("" if wrong else " (recovered)" if lens else " (rejected)"))
    return out


def pictures(inputs: Inputs, kind: str) -> Figure:
    """The gallery of one kind."""
    rows = np.flatnonzero((inputs.gallery["kind"].astype(str) == kind).to_numpy())
    side = style.PAGE / COLUMNS
    height = -(-rows.size // COLUMNS) * (side + LABEL)
    figure = style.new(style.PAGE, height)
    figure.set_layout_engine(None)  # a grid of fixed places
    for i, (row, name) in enumerate(zip(rows, labels(inputs, kind))):
        line, column = divmod(i, COLUMNS)
        bottom = 1 - (line * (side + LABEL) + side) / height
        axes = figure.add_axes((column / COLUMNS + 0.003, bottom, 1 / COLUMNS - 0.006, (side - 0.04) / height))
        axes.axis("off")
        axes.imshow(grz(inputs.gallery_images[row]), origin="lower", interpolation="nearest")  # +y is North, +x West
        _marked(axes, inputs.gallery_images[row].shape[-1], int(inputs.gallery["number"].iloc[row]))
        figure.text(
            (column + 0.5) / COLUMNS, bottom - 0.02 / height, name, ha="center", va="top", fontsize=5.5, linespacing=1.1
        )
    return figure


def _marked(axes: Axes, side: int, number: int) -> None:
    """Number of a picture at its upper left, a scale bar at its lower left."""
    edge, bar = 0.06 * side, BAR / schema.PIXEL_SCALE
    axes.text(edge, side - edge, str(number), color="white", fontsize=5.5, va="top")
    axes.plot([edge, edge + bar], [edge, edge], color="white", linewidth=0.8, solid_capstyle="butt")
