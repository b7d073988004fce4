"""How figures look: journal column widths, one font, colours that the colour-blind tell apart,
bytes that do not change.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.32, 6.97  # inches: one and two columns of MNRAS and ApJ
DPI = 200
SMALL = 6.0  # points: the smallest text
SMALLEST, READABLE = 5.5, 8.0  # points of any text, and pixels of a screen that it takes
LOSSLESS_MAX = 80_000  # bytes of a picture in a page

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#777777",
)
SERIES = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
SPLIT_COLOURS = {"train": "#AAAAAA", "val": ORANGE, "test": BLUE, "none": PURPLE}
POOL_COLOURS = {"positive": RED, "N1": BLUE, "N2": GREEN, "control": GREY}
BAND_COLOURS = {"g": GREEN, "r": RED, "i": ORANGE, "z": PURPLE}
BAND_LINES = {"g": "-", "r": "--", "i": ":", "z": "-."}
NO_DATA = "#E4E4E4"

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "mathtext.fontset": "dejavusans",
    "axes.unicode_minus": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib as the report wants it, whatever the user's own settings."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def new(width: float, height: float) -> Figure:
    """An empty figure, in inches, that arranges its axes itself."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def settle(figure: Figure) -> None:
    """Arrange the axes once, for good: a second time costs as much and could differ.

    No layout engine is left, not even the one called "none", for which Matplotlib draws everything once more before it
    writes a file.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)


def png(figure: Figure) -> bytes:
    """Raster of 200 dots per inch, the same bytes every time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    settle(figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def embedded(picture: bytes) -> str:
    """A PNG as the `src` of an image in a page: WebP without loss, or, where noisy pixels would still take
    LOSSLESS_MAX bytes, with a loss that the eye does not see. The PNG stays beside the page.
    """
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        colours = image.convert("RGB")
    for options in ({"lossless": True, "quality": 50}, {"quality": 60}):
        file = io.BytesIO()
        colours.save(file, "webp", **options)
        if file.tell() <= LOSSLESS_MAX:
            break
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def least_width(picture: bytes) -> int:
    """Pixels of a screen below which the small text of a PNG is not read: it is then moved sideways, not shrunk."""
    return math.ceil(int.from_bytes(picture[16:20]) * READABLE / (SMALLEST * DPI / 72))  # the width is in the header


def pdf(figure: Figure) -> bytes:
    """Vectors with embedded fonts, the same bytes every time."""
    settle(figure)
    file = io.BytesIO()
    with _glyphs_alone():
        figure.savefig(file, format="pdf", dpi=DPI, metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return file.getvalue()


@contextmanager
def _glyphs_alone() -> Iterator[None]:
    """Fonts go into a PDF without the tables by which text is laid out: nothing is laid out any more, and to cut these
    down to the glyphs that are used takes longer than to draw the figure.
    """
    from fontTools.subset import Options

    name = "_drop_tables_default"
    before = getattr(Options, name, [])
    setattr(Options, name, [*before, "GSUB", "GPOS", "GDEF"])
    try:
        yield
    finally:
        setattr(Options, name, before)
