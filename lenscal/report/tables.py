"""Every number of the page: what it is called, how it is shown, and how it is derived from the stores again."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import pandas as pd

from lenscal.gates import FAIL
from lenscal.report import summaries
from lenscal.report.inputs import Inputs

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Number:
    """One number (or text cell) of the page. `id` is the query with its arguments, as in
    ``rows?pool=N1&table=manifest``.
    """

    id: str
    value: Value
    unit: str
    shown: str
    query: str
    store: str


@dataclass(frozen=True)
class _Query:
    derive: Callable[..., Value]
    unit: str
    form: str
    store: str


QUERIES: dict[str, _Query] = {}


def query(unit: str, form: str, store: str) -> Callable:
    """Register a function of (Derivation, text arguments) as a query."""

    def register(derive: Callable[..., Value]) -> Callable:
        QUERIES[derive.__name__] = _Query(derive, unit, form, store)
        return derive

    return register


class Derivation:
    """Numbers derived from one set of inputs; tables are made once."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self._tables: dict[str, pd.DataFrame | None] = {}

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of `summaries`, None where the run has none."""
        if name not in summaries.SUMMARIES:
            raise KeyError(f"no table '{name}'; there are {', '.join(summaries.SUMMARIES)}")
        if name not in self._tables:
            self._tables[name] = summaries.SUMMARIES[name].make(self.inputs)
        return self._tables[name]

    def number(self, id: str) -> Number:
        """The number of this id, derived now.

        Raises
        ------
        KeyError
            When the id names no query, or what it asks for is not there.
        """
        name, _, arguments = id.partition("?")
        if name not in QUERIES:
            raise KeyError(f"no query '{name}'; there are {', '.join(QUERIES)}")
        kind = QUERIES[name]
        given = dict(parse_qsl(arguments, keep_blank_values=True))
        value = _plain(kind.derive(self, **given))
        unit, form, store = kind.unit, kind.form, kind.store
        if name == "cell":
            column = given["column"]
            unit, form = unit_of(column), form_of(column, value)
            store = summaries.SUMMARIES[given["table"]].stores
            if given["table"] == "trials" and column in ("p10", "p50", "p90"):
                unit = str(self.table("trials")["unit"].iloc[int(given["row"])])
        if name == "rows":
            store = given["table"]
        if name == "setting":
            unit = next((u for end, u in (("_arcsec", "arcsec"), ("_px", "pixel")) if given["key"].endswith(end)), "1")
        if name == "cube" and given["what"].startswith("n_"):
            form = "count"
        return Number(id, value, unit, show(value, form), name, store)


def identify(name: str, arguments: Mapping[str, object]) -> str:
    """The id of a query with its arguments."""
    return (
        f"{name}?{urlencode(sorted((k, str(v)) for k, v in arguments.items()), quote_via=quote)}" if arguments else name
    )


def recompute(inputs: Inputs, id: str) -> Value:
    """Value of one number, derived from the inputs again.

    Raises
    ------
    KeyError
        When the id names no query, or what it asks for is not there.
    """
    return Derivation(inputs).number(id).value


def verify(inputs: Inputs, numbers: Sequence[Mapping[str, Any]]) -> list[tuple[str, Value, Value, bool]]:
    """Each number of a report beside what the stores say now.

    Parameters
    ----------
    inputs : Inputs
        Opened afresh from the stores.
    numbers : sequence of mapping
        As in `numbers.json`.

    Returns
    -------
    list of (id, stored, recomputed, ok)
        ok when value, unit and printed form agree (values to 1e-9, NaN is stored as null); recomputed is None, and ok
        False, when the id cannot be derived.
    """
    derivation = Derivation(inputs.check())
    out = []
    for stored in numbers:
        id, value = str(stored.get("id", "")), stored.get("value")
        try:
            again = derivation.number(id)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            out.append((id, value, None, False))
            continue
        good = all(stored.get(k) == getattr(again, k) for k in ("unit", "shown", "query", "store")) and _same(
            value, again.value
        )
        out.append((id, value, again.value, good))
    return out


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return a == b and type(a) is type(b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=0.0)


def _plain(value: object) -> Value:
    """A Python value that JSON keeps: NaN and missing become None."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else (None if math.isnan(value) else str(value))
    return str(value)


# How values are shown.

_COUNTS = {
    "rows",
    "systems",
    "imaging_candidate",
    "matched",
    "in_sample",
    "anchors",
    "trained",
    "train",
    "val",
    "test",
    "none",
    "all",
    "wanted",
    "positives",
    "n1",
    "n2",
    "shortfall",
    "k",
    "epoch",
    "objects",
    "trials",
    "cells",
    "injections",
    "n_injected",
    "n_failed",
    "n_hosts",
    "n_detected",
    "host_pool",
    "rows_in",
    "rows_out",
    "dropped",
    "unaccounted",
    "candidates_n1",
    "candidates_n2",
    "n_true",
    "n_false",
    "n_positive",
    "n_negative",
    "n_fitted",
    "n_imaging",
    "n_other",
    "lost",
    "won",
    "pairs",
    "number",
    "percent",
    "n_real",
    "n_first",
    "n_second",
    "pixels_real",
    "pixels_injected",
    "stamps_real",
    "stamps_injected",
    "k_real",
    "k_injected",
}
_SHARES = {
    "share",
    "rate",
    "rate_requested",
    "false_positive_rate",
    "median",
    "lower_68",
    "upper_68",
    "lower_95",
    "upper_95",
    "visible",
    "base",
    "changed",
    "total_lower_68",
    "total_upper_68",
    "total_lower_95",
    "total_upper_95",
}
_UNITS = {
    "theta_e": "arcsec",
    "psf_fwhm": "arcsec",
    "depth": "mag(AB)",
    "sigma": "nanomaggy",
    "area": "degree^2",
    "weight": "1",
    "radius": "arcsec",
    "median_psfsize_r": "arcsec",
    "median_psfdepth_r": "mag(AB)",
    "source_mag_r": "mag(AB)",
    "arc_snr": "1",
}


def unit_of(column: str) -> str:
    """Unit of a column of the tables."""
    return _UNITS.get(column, "1")


def form_of(column: str, value: Value) -> str:
    """How a cell of this column is shown: text, count, share or real."""
    if isinstance(value, (str, bool)) or value is None:
        return "text"
    if column in _COUNTS or isinstance(value, int):
        return "text" if column.endswith("_id") else "count"
    return "share" if column in _SHARES or column.startswith("share_") else "real"


def show(value: Value, form: str) -> str:
    """A value as printed: shares in per cent, counts with thousands, a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or form == "text":
        return str(value)
    if form == "count":
        return f"{value:,.0f}"
    if form == "share":
        return percent(value)
    return (f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}").replace("-", "−")


def percent(value: float) -> str:
    """A share in per cent: one decimal, or two digits where that would leave one."""
    scaled = 100 * value
    return f"{scaled:.1f} %" if abs(scaled) >= 0.995 or scaled == 0 else f"{scaled:.2g} %"


# The queries.


@query("1", "text", "")
def cell(d: Derivation, table: str, row: str, column: str) -> Value:
    """One cell of one table."""
    made = d.table(table)
    if made is None:
        raise KeyError(f"the run has no table '{table}'")
    return made[column].iloc[int(row)]


@query("1", "count", "")
def shown(d: Derivation, table: str, rows: str) -> int:
    """Rows of a table that the page prints."""
    return min(int(rows), len(d.table(table)))


@query("1", "count", "")
def rows(d: Derivation, table: str, **where: str) -> int:
    """Rows of a product whose columns have these values; ``a|b`` means either, a leading ``*`` means contains."""
    if table == "scores/cutouts":
        found = summaries.scored(d.inputs)
        found = found[np.isfinite(found["score"])]
    else:
        found = getattr(d.inputs, table)
    if found is None:
        raise KeyError(f"the run has no table '{table}'")
    keep = np.ones(len(found), bool)
    for column, wanted in where.items():
        text = found[column].fillna("").astype(str)
        if wanted.startswith("*"):
            keep &= text.str.contains(wanted[1:], regex=False).to_numpy(bool)
        else:
            keep &= text.isin(wanted.split("|")).to_numpy(bool)
    return int(keep.sum())


@query("1", "count", "quality")
def usable(d: Derivation) -> int:
    """Cutouts fit for use."""
    return int(d.inputs.quality["cutout_ok"].values.sum())


@query("1", "count", "gates")
def gates(d: Derivation, verdict: str, critical: str = "") -> int:
    """Gates with this verdict, of all or of the critical ones."""
    table = d.inputs.gates
    keep = table["verdict"] == verdict
    return int((keep & table["critical"].astype(bool)).sum() if critical else keep.sum())


@query("1", "text", "gates")
def failed(d: Derivation) -> str:
    """Names of the gates that failed."""
    table = d.inputs.gates
    return ", ".join(table.loc[table["verdict"] == FAIL, "id"]) or "none"


@query("1", "real", "scores/thresholds")
def threshold(d: Derivation, index: str) -> float:
    """Score at or above which a detection is claimed."""
    return float(d.inputs.thresholds["threshold"].values[int(index)])


@query("1", "share", "scores/thresholds")
def validation_rate(d: Derivation, index: str, end: str = "") -> float:
    """Share of the validation negatives at or above the threshold, or an end of its interval."""
    if end:
        return float(d.inputs.thresholds[end].sel(level=summaries.LEVEL, method="nearest").values[int(index)])
    return float(d.inputs.thresholds["false_positive_rate"].values[int(index)])


@query("1", "count", "scores/thresholds")
def validation_negatives(d: Derivation, index: str, what: str = "n_negatives") -> int:
    """Validation negatives that set the threshold, or those of them at or above it (n_false)."""
    return int(d.inputs.thresholds[what].values[int(index)])


@query("1", "share", "failures/false_positives")
def false_positive_rate(d: Derivation, index: str, group: str, value: str, what: str = "rate") -> float:
    """Share of the test split's negatives called lenses, or an end of its interval."""
    return float(_negatives(d, index, group, value)[what])


@query("1", "count", "failures/false_positives")
def false_positives(d: Derivation, index: str, group: str, value: str, what: str = "n") -> int:
    """Scored negatives of the test split (n), or those called lenses (k)."""
    return int(_negatives(d, index, group, value)[what])


def _negatives(d: Derivation, index: str, group: str, value: str) -> pd.Series:
    table = d.inputs.false_positives
    at = np.isclose(table["threshold"], d.inputs.thresholds["threshold"].values[int(index)])
    return table[at & (table["group"] == group) & (table["value"] == value)].iloc[0]


@query("1", "share", "scores/cutouts, manifest")
def anchors_recovered(d: Derivation, index: str, group: str = "all anchors", what: str = "rate") -> float:
    """Share of the anchors at or above the threshold, or an end of its interval."""
    return float(_anchors(d, index, group)[what])


@query("1", "count", "scores/cutouts, manifest")
def anchors_counted(d: Derivation, index: str, group: str = "all anchors", what: str = "n") -> int:
    """Anchors scored (n), or those at or above the threshold (k)."""
    return int(_anchors(d, index, group)[what])


@query("1", "count", "scores/cutouts")
def anchors_lost(d: Derivation, index: str) -> int:
    """Anchors scored below the threshold."""
    row = _anchors(d, index, "all anchors")
    return int(row["n"] - row["k"])


def _anchors(d: Derivation, index: str, group: str) -> pd.Series:
    table = d.table("recovered")
    value = d.inputs.thresholds["threshold"].values[int(index)]
    return table[(table["threshold"] == value) & (table["group"] == group)].iloc[0]


@query("1", "share", "completeness")
def cube(
    d: Derivation, theta_e: str, psf_fwhm: str, depth: str, index: str, what: str, level: str = "", population: str = ""
) -> float | int:
    """One cell of the cube: what is median, lower, upper, total_lower or total_upper (with the level), n_injected,
    n_hosts or n_detected; of the meant population of hosts by default.
    """
    place = {"theta_e": float(theta_e), "psf_fwhm": float(psf_fwhm), "depth": float(depth)}
    cubes = d.inputs.completeness if not population else d.inputs.populations.sel(population=population)
    one = cubes.sel(place).isel(threshold=int(index))
    if what == "median":
        return float(one["completeness"].sel(quantile=0.5))
    if what.startswith("n_"):
        return int(one[what])
    return float(one[what].sel(level=float(level)))


@query("1", "share", "completeness")
def cube_extreme(d: Derivation, index: str, which: str) -> float:
    """Lowest (min) or highest (max) median among the sufficient cells."""
    one = d.inputs.completeness.isel(threshold=int(index))
    values = one["completeness"].sel(quantile=0.5).where(one["sufficient"]).values
    if not np.isfinite(values).any():
        return float("nan")
    return float({"min": np.nanmin, "max": np.nanmax}[which](values))


@query("1", "text", "completeness")
def recovery(d: Derivation) -> str:
    """What the cube carries of real lenses beside injections: the verdict and both shares."""
    return str(d.inputs.completeness.attrs.get("recovery", "not compared"))


@query("1", "text", "scores/thresholds")
def few_events(d: Derivation) -> str:
    """Which thresholds rest on fewer than ten negatives, in words."""
    return str(d.inputs.thresholds.attrs.get("few_events", ""))


@query("1", "count", "completeness")
def cells(d: Derivation, status: str = "") -> int:
    """Cells of the grid, of all or with this status."""
    found = d.inputs.completeness["status"].values.astype(object)
    return int((found == status).sum()) if status else int(found.size)


@query("1", "count", "injections")
def injected(d: Derivation, what: str = "all") -> int:
    """Trials with a host (all), with an image (made), or distinct hosts of these (hosts)."""
    has = d.inputs.injections["galaxy_id"].values >= 0
    made = has & (d.inputs.injections["failure"].values == "")
    if what == "hosts":
        return int(np.unique(d.inputs.injections["galaxy_id"].values[made]).size)
    return int(made.sum() if what == "made" else has.sum())


@query("1", "count", "scores/injections")
def missed(d: Derivation, index: str) -> int:
    """Scored injections below the threshold."""
    values = d.inputs.scores_injections["score"].values
    return int((values[np.isfinite(values)] < d.inputs.thresholds["threshold"].values[int(index)]).sum())


@query("1", "text", "realism/criteria")
def realism_verdict(d: Derivation, id: str = "realism") -> str:
    """GO, NO-GO or not judged, of one criterion or of all together."""
    table = d.inputs.realism["criteria"]
    return str(table.loc[table["id"] == id, "verdict"].iloc[0])


@query("1", "count", "realism/criteria")
def realism_criteria_with(d: Derivation, verdict: str) -> int:
    """Criteria with this verdict, the overall one apart."""
    table = d.inputs.realism["criteria"]
    return int(((table["verdict"] == verdict) & (table["id"] != "realism")).sum())


@query("1", "text", "realism/criteria")
def realism_named(d: Derivation, verdict: str) -> str:
    """Names of the criteria with this verdict."""
    table = d.inputs.realism["criteria"]
    return ", ".join(table.loc[(table["verdict"] == verdict) & (table["id"] != "realism"), "id"]) or "none"


@query("1", "count", "realism/measures")
def realism_images(d: Derivation, sample: str) -> int:
    """Images measured of one sample."""
    return int((d.inputs.realism["measures"]["sample"] == sample).sum())


@query("1", "count", "failures/gallery, scores/thresholds")
def pictured(d: Derivation, kind: str, wrong: str = "") -> int:
    """Rows of the gallery of one kind, of all or of those on the wrong side of the first threshold."""
    rows = d.inputs.gallery[d.inputs.gallery["kind"] == kind]
    return int(summaries.wrong_side(d.inputs, rows).sum()) if wrong else len(rows)


@query("1", "count", "scores/cutouts")
def alarms(d: Derivation, index: str) -> int:
    """Scored negatives outside the split train at or above the threshold."""
    table = summaries.scored(d.inputs)
    value = d.inputs.thresholds["threshold"].values[int(index)]
    keep = table["split"].isin(summaries.JUDGED) & (table["label"] == 0)
    return int((keep & (table["score"] >= value)).sum())


@query("arcsec", "real", "completeness")
def headline_psf(d: Derivation) -> float:
    """PSF the page speaks of first."""
    return summaries.headline(d.inputs)[0]


@query("mag(AB)", "real", "completeness")
def headline_depth(d: Derivation) -> float:
    """Depth the page speaks of first."""
    return summaries.headline(d.inputs)[1]


@query("arcsec", "real", "completeness")
def axis(d: Derivation, name: str, row: str) -> float:
    """A bin centre of the grid."""
    return float(d.inputs.completeness[name].values[int(row)])


@query("1", "real", "run file")
def setting(d: Derivation, key: str) -> Value:
    """A key of the run file."""
    found: object = d.inputs.settings
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, (tuple, list)) else getattr(found, part)
    return found if isinstance(found, (bool, int, float, str)) or found is None else str(found)


@query("1", "text", "run")
def attribute(d: Derivation, name: str) -> str:
    """An attribute of the run."""
    return str(d.inputs.attrs.get(name, ""))


class Book:
    """The numbers that were printed, in order, each once."""

    def __init__(self, inputs: Inputs) -> None:
        self.derivation = Derivation(inputs)
        self.numbers: dict[str, Number] = {}

    def look_up(self, name: str, /, **arguments: object) -> Number:
        """Derive a number and note that it was printed."""
        id = identify(name, arguments)
        if id not in self.numbers:
            self.numbers[id] = self.derivation.number(id)
        return self.numbers[id]

    def records(self) -> list[dict]:
        """As in `numbers.json`."""
        return [asdict(number) for number in self.numbers.values()]


def _quoted(cell: object) -> object:
    """Text that a spreadsheet would take for a formula, behind an apostrophe; a carriage return, which would
    end the row, as a blank.
    """
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")
    return f"'{text}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def csv_files(book: Book) -> dict[str, bytes]:
    """Every table as `tables/<name>.csv`, whole."""
    files = {}
    for name in summaries.SUMMARIES:
        table = book.derivation.table(name)
        if table is not None:
            text = io.StringIO()
            table.map(_quoted).rename(columns=_quoted).to_csv(text, index=False, lineterminator="\n")
            files[f"tables/{name}.csv"] = text.getvalue().encode()
    return files
