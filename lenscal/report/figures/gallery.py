"""Pictures of what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lenscal.report.figures import style
from lenscal.report.figures.colour import grz
from lenscal.report.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8


def kinds(inputs: Inputs) -> list[str]:
    """Kinds of failure that the gallery shows, in its order."""
    return [] if inputs.gallery is None else list(dict.fromkeys(inputs.gallery["kind"].astype(str)))


def labels(inputs: Inputs, rows: pd.DataFrame) -> list[str]:
    """What each row is, and its score; of an injection its Einstein radius and the host's conditions."""
    about = inputs.manifest.set_index("galaxy_id")[["pool", "tier", "confuser_class"]]
    out = []
    for row in rows.to_dict("records"):
        if np.isfinite(row.get("trial", np.nan)) and row["trial"] >= 0:
            text = f"θ$_E$ {row['theta_e']:g}″\nPSF {row['psf_fwhm']:g}″, {row['depth']:g}"
        else:
            pool, tier, name = about.loc[int(row["galaxy_id"])]
            text = f"lens, {tier}" if pool == "positive" else f"{pool}\n{name}" if name else pool
        out.append(f"{text}\nscore {row['score']:.2f}")
    return out


def pictures(inputs: Inputs, kind: str) -> Figure:
    """The gallery of one kind."""
    rows = np.flatnonzero((inputs.gallery["kind"].astype(str) == kind).to_numpy())
    lines = -(-rows.size // COLUMNS)
    figure = style.new(style.PAGE, lines * (style.PAGE / COLUMNS + 0.36))
    grid = figure.subplots(lines, COLUMNS, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    names = labels(inputs, inputs.gallery.iloc[rows])
    for axes in grid.ravel():
        axes.axis("off")
    for axes, row, name in zip(grid.ravel(), rows, names):
        axes.imshow(grz(inputs.gallery_images[row]), origin="lower", interpolation="nearest")  # +y is North, +x West
        axes.text(0.5, -0.03, name, transform=axes.transAxes, ha="center", va="top", fontsize=5.5, linespacing=1.1)
    return figure
