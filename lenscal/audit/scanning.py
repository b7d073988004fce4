"""The leaves of the galaxies scanned for the sample: what fits a pool, what meets a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.products import Given, Run
from lenscal.config import Settings
from lenscal.io import hats, hats_catalogue, stores

from .catalogue import MEETING, below


@dataclass(frozen=True)
class Targets:
    """Positions to be met by the survey, and how near is near [arcsec]."""

    table: pd.DataFrame
    radius: float


def meet(run: Run, targets: Sequence[Targets]) -> list[pd.DataFrame]:
    """For each set of targets, every survey object within its radius, leaf by leaf: at, galaxy_id,
    separation and conditions.

    All targets are in memory and each row of the survey is in one leaf, so no pair is lost at a border.
    """
    from lenscal import objects

    catalogue = run.galaxies
    around = hats_catalogue.Around(
        np.concatenate([t.table["ra"].to_numpy(float) for t in targets]),
        np.concatenate([t.table["dec"].to_numpy(float) for t in targets]),
        max(t.radius for t in targets),
    )
    hits: list[list[pd.DataFrame]] = [[] for _ in targets]
    for part in catalogue.beside(around, MEETING):
        for own, target in zip(hits, targets):
            own.append(objects.meet(target.table, part, target.radius))
    none = objects.meet(targets[0].table.iloc[:0], _no_rows(), 1.0)
    return [pd.concat([none, *own], ignore_index=True) if own else none for own in hits]


def _no_rows() -> pd.DataFrame:
    kinds = {name: schema.GALAXIES.variables[name].dtype for name in MEETING}
    return pd.DataFrame({name: pd.Series(dtype="object" if kind == "str" else kind) for name, kind in kinds.items()})


def rim(settings: Settings | Given) -> str:
    """Hold the rim of the leaves against how far neighbours are asked about; what was found, in words.

    Raises
    ------
    StoreError
        It is too narrow.
    ClassError
        `manifest.confuser_cuts` names a cut that its class does not have.
    """
    from lenscal import manifest

    needed, carried = manifest.margin_needed(settings.manifest), settings.objects.margin_arcsec
    if needed > carried:
        raise stores.StoreError(
            f"manifest: neighbours are asked about up to {needed:g} arcsec, and the leaves of the catalogue "
            f"carry a rim of {carried:g}; set objects.margin_arcsec to {needed:g} or more and run objects again"
        )
    return f"neighbours up to {needed:g} arcsec, leaves with a rim of {carried:g}"


def scan_leaf(run: Run, leaf: int, name: str) -> dict[str, str]:
    """What a leaf offers to the sample, noted beside the plan; the files of the note and their hashes."""
    from lenscal import manifest

    settings, catalogue = run.settings.manifest, run.galaxies
    rim(run.settings)
    table, own = catalogue.read_with_rim(leaf, _scanned(run))
    seen = manifest.scan(
        table,
        run.positives,
        run.lenses,
        settings,
        run.settings.seed,
        core=np.arange(len(table)) < own,
        repeated=_is_listed(table, run.repeated),
        part=leaf,
        bands=run.settings.survey.bands,
    )
    offers = seen.offers.trimmed(run.reservoirs, run.settings.seed)
    folder = _scans(run)
    counts = {n: getattr(offers, n).tolist() for n in ("positives", "ordinary", "confusing", "classes")}
    note = {
        "rows_in": seen.rows_in,
        "steps": list(seen.steps.items()),
        "dropped": list(seen.dropped.items()),
        "candidates": offers.candidates,
        **counts,
    }
    rows, counted = folder / f"{name}.parquet", folder / f"{name}.json"
    return below(run, {rows: stores.write_table(rows, offers.rows), counted: stores.write_json(counted, note)})


def _scans(run: Run) -> Path:
    return run.plans / "manifest" / "scans"


def _scanned(run: Run) -> tuple[str, ...]:
    """Columns that a scan of leaves reads; the file of a row only where some key is in several."""
    from lenscal.manifest import COLUMNS

    more = tuple(f"nobs_{band}" for band in run.settings.survey.bands if f"nobs_{band}" not in COLUMNS)
    return (*COLUMNS, *more) if run.repeated.empty else (*COLUMNS, *more, "sweep_file")


def _is_listed(table: pd.DataFrame, repeated: pd.DataFrame) -> np.ndarray:
    """Rows that stand in the list of repeated keys, by key and file."""
    if repeated.empty:
        return np.zeros(len(table), bool)
    out = table["galaxy_id"].isin(repeated["galaxy_id"]).to_numpy(copy=True)
    some = np.flatnonzero(out)
    if some.size:
        pairs = pd.MultiIndex.from_frame(repeated.astype({"sweep_file": "str"}))
        mine = pd.MultiIndex.from_arrays([table["galaxy_id"].iloc[some], table["sweep_file"].iloc[some].astype("str")])
        out[some] = mine.isin(pairs)
    return out


def scans(run: Run, names: Iterable[str]) -> Iterable[object]:
    """The scans of the leaves, one after the other."""
    import json

    from lenscal.manifest import Scan
    from lenscal.manifest.pools import Offers

    for name in names:
        note = json.loads((_scans(run) / f"{name}.json").read_text())
        counts = {n: np.array(note[n], np.int64) for n in ("positives", "ordinary", "confusing", "classes")}
        offers = Offers(stores.read_table(_scans(run) / f"{name}.parquet"), candidates=note["candidates"], **counts)
        yield Scan(note["rows_in"], dict(note["steps"]), dict(note["dropped"]), offers)


def gather(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Whole rows of the galaxies that `part` (leaf) and `row` point to, in the order given."""
    names = schema.in_bands(schema.GALAXIES.variables, run.settings.survey.bands)
    order = np.lexsort((rows["row"], rows["part"]))
    leaves, places = rows["part"].to_numpy()[order], rows["row"].to_numpy()[order]
    starts = np.flatnonzero(np.diff(leaves, prepend=-1))
    parts = [
        run.galaxies.take(int(leaves[a]), places[a:b], names)
        for a, b in zip(starts, np.append(starts[1:], leaves.size))
    ]
    whole = schema.GALAXIES.cast_table(hats_catalogue.joined(parts))
    back = np.empty(order.size, np.int64)
    back[order] = np.arange(order.size)
    return whole.iloc[back].reset_index(drop=True).drop(columns=hats.INDEX)


def calibrate(run: Run, share: float, rows: int) -> tuple[dict[str, dict[str, float]], pd.DataFrame, int]:
    """Cuts under which each class has a given number of members for each galaxy of the rule of
    N1, on a sample of leaves.

    Leaves are taken in the order of their hashes, which follows the seed, until they hold enough rows.
    """
    from lenscal.kernels import draws
    from lenscal.manifest import class_cuts, exclusion, pools

    settings = run.settings.manifest
    leaves = np.array(run.galaxies.leaves, np.int64)
    parts, seen = [], 0
    for leaf in leaves[np.argsort(draws.hashes(run.settings.seed, "calibration", leaves))]:
        table, own = run.galaxies.read_with_rim(int(leaf), _scanned(run))
        core = np.arange(len(table)) < own
        kept = ~_is_listed(table, run.repeated)
        table, core = table[kept].reset_index(drop=True), core[kept]
        low, high = settings.dec_range_degree
        inside = core & table["dec"].between(low, high, inclusive="neither").to_numpy()
        nobs = [f"nobs_{band}" for band in run.settings.survey.bands]
        inside &= (table[nobs] >= settings.nobs_min).all(axis=1).to_numpy()
        inside &= ~exclusion.near_lens(table, run.lenses, settings.exclusion_radius_arcsec)
        parts.append((table, inside))
        seen += int((inside & list(pools.ordinary(table, settings).values())[-1]).sum())
        if seen >= rows:
            break
    frozen, report = class_cuts.calibrated(parts, share, settings.confuser_cuts, of=seen)
    return frozen, report, seen
