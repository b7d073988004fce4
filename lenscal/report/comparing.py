"""The page of two detectors on the same trials: one HTML file that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2
import numpy as np
import pandas as pd

from lenscal.experiments.two_detectors import HOSTS_MIN
from lenscal.report.beside import Beside, Part
from lenscal.report.figures import style, two_detectors


def page(beside: Beside, marks: Sequence[str]) -> str:
    """The page as text; what comes from files is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(resources.files("lenscal.report").joinpath("compare.html").read_text("utf-8"))
    names, trials = beside.names, beside.trials
    left_out = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in trials.attrs.items() if count)
    return template.render(
        names=names,
        hashes=beside.hashes,
        marks=marks,
        count=len(trials),
        left_out=left_out,
        hosts_min=HOSTS_MIN,
        said=said,
        parts=[_shown(names, trials, part) for part in beside.parts],
    )


def _shown(names: tuple[str, str], trials: pd.DataFrame, part: Part) -> dict:
    pictures = {
        "difference": two_detectors.difference(part.cells, names),
        "scores": two_detectors.scores(trials, part.thresholds, names),
    }
    encoded = {name: style.embedded(style.png(figure)) for name, figure in pictures.items()}
    tables = [
        ("All injections", part.overall),
        ("Real objects by what they are", part.others),
        ("Cell by cell", part.cells),
    ]
    return {"rate": part.rate, "sentence": sentence(names, part.overall.iloc[0]), "tables": tables, **encoded}


def sentence(names: tuple[str, str], row: pd.Series) -> str:
    """What the paired trials say, in words."""
    ends = "" if np.isnan(row["lower"]) else f" (95 %: {row['lower']:+.3f} to {row['upper']:+.3f})"
    more = names[1] if row["difference"] > 0 else names[0]
    sure = "" if np.isnan(row["lower"]) or row["lower"] <= 0 <= row["upper"] else f": {more} finds more"
    return (
        f"{names[0]} finds {row['first']:.3f} of the injections, {names[1]} {row['second']:.3f}; the difference is "
        f"{row['difference']:+.3f}{ends}{sure}. Either finds {row['union']:.3f}; they agree on {row['agreement']:.3f}."
    )


def said(value: object) -> str:
    """A number as it stands in a table."""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) else str(value)
