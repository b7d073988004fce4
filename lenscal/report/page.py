"""The page: one HTML file that stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from lenscal import schema
from lenscal.gates import ABSENT, FAIL, NOT_JUDGED, PASS
from lenscal.report import derivation, figures, numbers, summaries, viewer
from lenscal.report.figures import gallery, style
from lenscal.report.headings import label
from lenscal.report.inputs import Inputs
from lenscal.report.kept import Kept

LONGEST = 24
"""Letters of a number or name that stays on one line."""
ROWS_SHOWN = 60
"""Of a long table; the rest is in its CSV file."""
RATES = ("recovered", "false_positives", "missed")
"""Tables of shares, one row for each threshold."""


class Writer:
    """What the template calls: numbers, tables and figures of one set of inputs."""

    def __init__(self, inputs: Inputs, pictures: Mapping[str, bytes | str], kept: Kept | None = None) -> None:
        self.inputs = inputs
        self.kept = kept
        self.pictures = pictures
        self.book = numbers.Book(inputs)

    def number(self, name: str, /, **arguments: object) -> Markup:
        """A number of the page, derived from the stores and noted in `numbers.json`."""
        found = self.book.look_up(name, **arguments)
        kind = "n words" if len(found.shown) > LONGEST else "n"
        return Markup('<span class="{}" data-n="{}" title="{} ({})">{}</span>').format(
            kind, found.id, found.id, found.store, found.shown
        )

    def interval(
        self, name: str, low: Mapping[str, object], high: Mapping[str, object], /, **arguments: object
    ) -> Markup:
        """A share with its 68.27 % interval, as in ``0.9 % (0.6 % to 1.3 %)``."""
        number = self.number
        return Markup("{} ({} to {})").format(
            number(name, **arguments), number(name, **arguments | low), number(name, **arguments | high)
        )

    def cell(self, theta_e: float, index: int, population: str = "") -> Markup:
        """Completeness at the headline PSF and depth, with its total interval where there is one,
        else the statistical one.
        """
        psf, depth = summaries.headline(self.inputs)
        where = {"theta_e": theta_e, "psf_fwhm": psf, "depth": depth, "index": index} | (
            {"population": population} if population else {}
        )
        level = {"level": schema.LEVELS[0]}
        number, kind = self.number, "total_" if "total_lower" in self.inputs.completeness else ""
        return Markup("{} ({} to {})").format(
            number("cube", what="median", **where),
            number("cube", what=f"{kind}lower", **where, **level),
            number("cube", what=f"{kind}upper", **where, **level),
        )

    def table(self, name: str, columns: list[str] | None = None, rows: int = ROWS_SHOWN, start: int = 0) -> Markup:
        """One table, each number in it noted; its CSV file holds all of it."""
        made = self.book.derivation.table(name)
        if made is None or made.empty:
            return Markup('<p class="absent">The run has no table of this: {}.</p>').format(
                summaries.SUMMARIES[name].title
            )
        columns = columns or [
            str(c)
            for c in made.columns
            if not (self.thresholds == 1 and name in RATES and c in ("threshold", "false_positive_rate"))
        ]
        head = Markup("").join(
            Markup('<th class="{}">{}</th>').format(self._kind(name, 0, c)[0], label(c)) for c in columns
        )
        body = Markup("").join(self._row(name, made, i, columns) for i in range(start, min(rows, len(made))))
        more = ""
        if len(made) > rows and not start:
            more = Markup(' First {} rows; <a href="tables/{}.csv">all of them</a>.').format(
                self.number("shown", table=name, rows=rows), name
            )
        title = Markup("<caption>{}.{}</caption>").format(summaries.SUMMARIES[name].title, more)
        return Markup('<div class="wide"><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
            title, head, body
        )

    def _row(self, name: str, table: pd.DataFrame, row: int, columns: list[str]) -> Markup:
        cells = []
        for column in columns:
            kind, number = self._kind(name, row, column)
            shown: Markup | str = number.shown
            if number.shown.startswith(viewer.VIEWER):
                shown = Markup('<a href="{}">look</a>').format(number.shown)
            cells.append(Markup('<td class="{}" data-n="{}">{}</td>').format(kind, number.id, shown))
        verdict = str(table["verdict"].iloc[row]) if "verdict" in columns else ""
        mark = {PASS: "pass", FAIL: "fail", ABSENT: "absent", NOT_JUDGED: "absent", "GO": "pass", "NO-GO": "fail"}.get(
            verdict, ""
        )
        return Markup('<tr class="{}">{}</tr>').format(mark, Markup("").join(cells))

    def _kind(self, table: str, row: int, column: str) -> tuple[str, derivation.Number]:
        """A cell, and whether it is a number or a text."""
        number = self.book.look_up("cell", table=table, row=row, column=column)
        return "num" if isinstance(number.value, (int, float)) and not isinstance(
            number.value, bool
        ) else "text", number

    def figure(self, name: str, text: str, caption: Markup | str = "") -> Markup:
        """One figure with its files; or, where there is none, why."""
        picture = self.pictures[name]
        if isinstance(picture, str):
            return Markup('<p class="absent">{}</p>').format(picture)
        before = self.kept and self.kept.embedded(name, picture)
        data = Markup(before or style.embedded(picture))  # our own bytes
        return Markup(
            '<figure id="figure-{0}"><div class="wide"><a href="figures/{0}.png"><img alt="{1}" src="{2}" '
            'style="min-width: {4}px"></a></div><figcaption><strong>{1}.</strong> {3} '
            '<a href="figures/{0}.pdf">PDF</a> <a href="figures/{0}.png">PNG</a></figcaption></figure>'
        ).format(name, text, data, escape(caption), style.least_width(picture))

    @property
    def thresholds(self) -> int:
        """How many thresholds the cube has."""
        return int(self.inputs.completeness.sizes["threshold"])

    @property
    def headline_radii(self) -> list[float]:
        """Up to three Einstein radii, both ends included, of the sufficient cells at the headline PSF and depth."""
        psf, depth = summaries.headline(self.inputs)
        one = self.inputs.completeness.sel(psf_fwhm=psf, depth=depth)
        found = one["theta_e"].values[one["sufficient"].values.astype(bool)]
        return [float(v) for v in figures.cubes.spread(found, 3)] if found.size else []

    @property
    def context(self) -> dict[str, Any]:
        """Names that the template knows."""
        inputs = self.inputs
        return {
            "n": self.number,
            "cell": self.cell,
            "interval": self.interval,
            "table": self.table,
            "figure": self.figure,
            "settings": inputs.settings,
            "bands": schema.bands_words(inputs.settings.survey.bands),
            "attrs": inputs.attrs,
            "inputs": inputs,
            "has": self._has,
            "realism": inputs.realism is not None,
            "judged": inputs.judgement is not None,
            "open_gates": int(inputs.gates["verdict"].isin([FAIL, NOT_JUDGED]).sum()),
            "few": bool(inputs.thresholds.attrs.get("few_events")),
            "PASS": PASS,
            "FAIL": FAIL,
            "ABSENT": ABSENT,
            "NOT_JUDGED": NOT_JUDGED,
            "population": str(inputs.completeness.attrs.get("population", "survey")),
            "warning": summaries.warning(inputs),
            "compared": bool(inputs.completeness.attrs.get("recovery")),
            "others": []
            if inputs.populations is None
            else [
                str(p)
                for p in inputs.populations["population"].values
                if str(p) != inputs.completeness.attrs.get("population")
            ],
            "total": "total_lower" in inputs.completeness,
            "mock": bool(inputs.attrs.get("mock")),
            "not_scientific": str(inputs.attrs.get("not_scientific", "")),
            "thresholds": range(self.thresholds),
            "radii": self.headline_radii,
            "headline": summaries.headline(inputs),
            "depths": [float(v) for v in inputs.completeness["depth"].values],
            "map_name": lambda index, depth=None: figures.map_name(inputs, index, depth),
            "curve_name": lambda index: figures.curve_name(inputs, index),
            "gallery_name": figures.gallery_name,
            "kinds": gallery.kinds(inputs),
            "radius_row": lambda value: int((inputs.completeness["theta_e"].values == value).argmax()),
            "depth_row": lambda value: int((inputs.completeness["depth"].values == value).argmax()),
            "rates": self._rates(),
            "failed": int((inputs.gates["verdict"] == FAIL).sum()),
            "anchors": int(self.book.derivation.table("recovered")["n"].iloc[0]),
            "independent": int(self._independent()),
        }

    def _has(self, name: str) -> bool:
        table = getattr(self.inputs, name)
        return table is not None and len(table) > 0

    def _rates(self) -> list[tuple[str, str]]:
        """(group, value) of the false-positive rates of the summary: all, then each pool."""
        table = self.inputs.false_positives
        if table is None:
            return []
        pairs = table.loc[table["group"].isin(["all", "pool"]) & (table["n"] > 0), ["group", "value"]]
        return list(pairs.drop_duplicates().itertuples(index=False, name=None))

    def _independent(self) -> int:
        table = self.book.derivation.table("recovered")
        return table.loc[table["group"] == "selected without imaging ML", "n"].iloc[0]


def render(inputs: Inputs, pictures: Mapping[str, bytes | str], kept: Kept | None = None) -> tuple[bytes, numbers.Book]:
    """The page, and the numbers it printed.

    Parameters
    ----------
    inputs : Inputs
    pictures : mapping
        Figure name to PNG bytes, or to the sentence that says why there is none.
    kept : Kept, optional
        What an earlier page holds of the same pictures.
    """
    text = resources.files("lenscal.report").joinpath("page.html").read_text()
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    writer = Writer(inputs, pictures, kept)
    html = environment.from_string(text).render(writer.context)
    return html.encode(), writer.book
