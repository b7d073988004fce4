"""A cure: the baseline trained again with arcs in ordinary galaxies of the training sky, and what
that moves, pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.experiments.lenses import lenses_of
from lenscal.audit.experiments.pixels import scored
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run
from lenscal.config import Settings
from lenscal.errors import InputError
from lenscal.experiments import Paired
from lenscal.kernels import draws

Say = Callable[[str], None]
OFFSET = 1 << 60  # of the id of a training row with an arc over that of its galaxy
_NAMES = ("image", "galaxy_id", "split", "label", "weight", "target", "role", "pool", "cutout_ok", "arc_snr")


def fix(
    run: Run, sky: Settings, count: int, injected: int, per_cell: int, epochs: int | None, say: Say
) -> tuple[dict, dict[str, pd.DataFrame]]:
    """The baseline trained again with injected positives, on the same trials, cutouts and true lenses as before.

    The injected positives are arcs of the run's prior in ordinary galaxies (pool N1) of the split train, which stay
    negatives as they are; hosts of the trials are of the splits val and test and train nothing. Settings, seed and
    validation rows are those of the run; the threshold is set again at the same false-positive rate on the same
    validation negatives.

    Parameters
    ----------
    run : Run
    sky : Settings
        An embedded sky that is drawn.
    count : int
        True lenses at most.
    injected : int
        Injected positives.
    per_cell : int
        Trials of each cell that are scored again.
    epochs : int or None
        Epochs of the training; those of the run file by default.
    say : callable

    Returns
    -------
    dict
        before and after: detector hash, threshold, false positives; `training`; `overall`, `lenses` (paired);
        `predicted` (of the lenses, from the same trials).
    dict of DataFrame
        fix_cells (one row a cell), fix_theta_e, fix_negatives, fix_lenses.
    """
    from lenscal import detector

    settings = run.settings.detector
    if epochs is not None:
        settings = settings.model_copy(update={"training": settings.training.model_copy(update={"epochs": epochs})})
    say("arcs in ordinary galaxies of the training sky")
    sample, made = training_sample(run, injected)
    frozen, history = detector.train(
        sample, settings, run.settings.seed, lambda epoch, of, _: say(f"training: epoch {epoch} of {of}")
    )
    say("validation negatives")
    old, new, negatives = _thresholds(run, frozen, say)
    cells, by_theta, trials = _surface(run, frozen, old, new, per_cell, say)
    say("true lenses")
    lenses = lenses_of(run, sky, None, count)
    again = scored(run, lenses.images, frozen)
    of_lenses = Paired.of_scores(lenses.table["own"].to_numpy(), again, old, new).row()
    hears = Paired.of_scores(trials["before"].to_numpy(), trials["after"].to_numpy(), old, new).row()
    summary = {
        "before": {"detector": run.detector.hash, "threshold": old},
        "after": {"detector": frozen.hash, "threshold": new},
        "training": {
            **made,
            **{
                name: history.attrs[name]
                for name in (
                    "train_positives",
                    "train_negatives",
                    "positives_per_epoch",
                    "epochs_run",
                    "best_epoch",
                    "val_loss",
                )
            },
        },
        "overall": hears,
        "lenses": of_lenses,
        "predicted": _predicted(run, trials, lenses.table, old, new),
    }
    kept = lenses.table[["galaxy_id", "theta_e", "psfsize_r", "psfdepth_r", "lensed_mag_r"]].assign(
        before=lenses.table["own"].to_numpy(), after=again
    )
    return summary, {"fix_cells": cells, "fix_theta_e": by_theta, "fix_negatives": negatives, "fix_lenses": kept}


def training_sample(run: Run, injected: int) -> tuple[xr.Dataset, dict[str, int]]:
    """The run's cutouts as `detector.train` takes them, with injected positives after them; the run's own
    pixels are not read here.
    """
    pixels, quality = run.store("cutouts", chunks={}).reset_coords(), run.store("quality").reset_coords()
    own = pixels.assign({name: quality[name] for name in ("cutout_ok", "arc_snr")})[[*_NAMES]]
    columns = {name: own[name].values for name in _NAMES if name != "image"}
    ordinary = (
        (columns["split"] == "train")
        & (columns["pool"] == "N1")
        & (columns["label"] == 0)
        & columns["cutout_ok"].astype(bool)
    )
    correlation = quality["noise_correlation"].transpose("galaxy", "band").values
    ordinary &= (correlation > 0).all(1)
    rows = np.flatnonzero(ordinary)
    rows = np.sort(
        rows[np.argsort(draws.hashes(run.settings.seed, "fix host", columns["galaxy_id"][rows]), kind="stable")][
            :injected
        ]
    )
    if not rows.size:
        raise InputError(
            "fix: no ordinary galaxy (pool N1, split train, fit for use) to put an arc in; the sample needs "
            "negatives in the split train"
        )
    image, snr, ok = _injected(run, rows)
    lens = (columns["label"] == 1) & (columns["split"] == "train") & (columns["role"] == "train")
    new = {name: values[rows] for name, values in columns.items()}
    new |= {
        "galaxy_id": new["galaxy_id"] + OFFSET,
        "label": np.ones_like(new["label"]),
        "role": np.full_like(new["role"], "train"),
        "pool": np.full_like(new["pool"], "positive"),
        "arc_snr": snr.astype(columns["arc_snr"].dtype),
        "cutout_ok": ok,
        **{
            name: np.full_like(new[name], np.median(columns[name][lens]) if lens.any() else 1)
            for name in ("weight", "target")
        },
    }
    joined = {name: ("galaxy", np.concatenate([columns[name], new[name]]), own[name].attrs) for name in columns}
    dims = ("galaxy", "band", "y", "x")
    joined["image"] = xr.Variable.concat(
        [own["image"].transpose(*dims).variable, xr.Variable(dims, image).chunk({"galaxy": 64})], "galaxy"
    )
    out = xr.Dataset(joined, coords={"band": own["band"]}, attrs=pixels.attrs)
    out["image"].attrs = dict(own["image"].attrs)
    least = run.settings.detector.training.arc_snr_min
    seen = int((ok & ((snr >= least) | (least == 0))).sum())
    if not seen:
        raise InputError(
            f"fix: none of {rows.size} injected arcs has an SNR of {least:g} (detector.training.arc_snr_min), so none "
            "would train; ask for more (--injected)"
        )
    return out, {"injected": int(rows.size), "injected_arc_seen": seen}


def _injected(run: Run, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole stamps of these galaxies with an arc each (row, band, y, x), the arcs' SNR and fitness by the
    estimator of the stage quality.
    """
    from lenscal import quality
    from lenscal.injections import images, priors, sources
    from lenscal.injections.bands import in_bands

    seed, axis = run.settings.seed, run.settings.injections.grid.theta_e
    parts = []
    for start in range(0, rows.size, 64):
        hosts = host_pixels(run, rows[start : start + 64])
        ids = draws.hashes(seed, "fix trial", hosts["galaxy_id"].values.astype(np.int64)) >> np.uint64(15)
        ids = ids.astype(np.int64)
        theta_e = axis.edges[0] + draws.uniform(seed, "fix theta_e", ids) * (axis.edges[-1] - axis.edges[0])
        settings = run.settings.injections.model_copy(update={"size": hosts.sizes["x"]})
        drawn, mu, _ = priors.accepted(theta_e, ids, settings, seed, sources.prepare(settings.source, run.sources))
        bands = [str(band) for band in hosts["band"].values]
        drawn, names = in_bands(drawn, bands), schema.in_bands(schema.ALL_PARAMETERS, bands)
        columns = {name: drawn[name.replace("source_mag_", "mag_").replace("_drawn", "")] for name in names}
        columns |= {"magnification": mu, "galaxy_id": hosts["galaxy_id"].values, "injection_id": ids}
        block = xr.Dataset(
            {name: (schema.TRIAL, np.reshape(v, (1, 1, 1, -1))) for name, v in columns.items()},
            coords={name: [np.nan] for name in schema.AXES},
        )
        made = images(schema.INJECTIONS.describe(block), hosts, settings, seed, sources=run.sources)
        dims = ("galaxy", "band", "y", "x")
        stars = run.stars(hosts["ra"].values, hosts["dec"].values, quality.STAR_RADIUS)
        cut = hosts.drop_vars([name for name in ("sigma", "noise_correlation", "noise_lags") if name in hosts]).assign(
            image=(dims, made, hosts["image"].attrs)
        )
        cut["label"] = xr.ones_like(cut["label"])  # arcs are looked for in lenses only
        found = quality.measure(cut, stars, run.settings.quality)
        ok = found["cutout_ok"].values.astype(bool) & np.isfinite(made).any((1, 2, 3))
        parts.append((made, found["arc_snr"].values.astype(float), ok))
    return tuple(np.concatenate(each) for each in zip(*parts))


def _thresholds(run: Run, frozen: object, say: Say) -> tuple[float, float, pd.DataFrame]:
    """Threshold before and after, set on the same validation negatives, and the false positives
    of both by split and pool.
    """
    from lenscal import scores

    before = run.store("scores", "cutouts").load()
    split, label, pool = (before[name].values.astype(object) for name in ("split", "label", "pool"))
    rows = np.flatnonzero(np.isin(split, ["val", "test"]) & (label == 0) & np.isfinite(before["score"].values))
    again = np.full(before.sizes["galaxy"], np.nan, np.float32)
    cutouts = run.store("cutouts")
    order = [[str(band) for band in cutouts["band"].values].index(band) for band in frozen.bands]
    for start in range(0, rows.size, 512):
        say(f"negatives: {start} of {rows.size}")
        some = rows[start : start + 512]
        image = cutouts["image"].isel(galaxy=some).transpose("galaxy", "band", "y", "x").values[:, order]
        again[some] = frozen.score(image, run.settings.scores.batch)
    after = before.assign(score=("galaxy", again, before["score"].attrs))
    rates = run.settings.completeness.false_positive_rates[:1]
    old, new = (float(scores.thresholds(one, rates)["threshold"].values[0]) for one in (before, after))
    table = []
    for name in ("val", "test"):
        for of in ("N1", "N2"):
            some = rows[(split[rows] == name) & (pool[rows] == of)]
            table.append(
                {
                    "split": name,
                    "pool": of,
                    **Paired.of_scores(before["score"].values[some], again[some], old, new).row(),
                }
            )
    return old, new, pd.DataFrame(table)


def _surface(
    run: Run, frozen: object, old: float, new: float, per_cell: int, say: Say
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Trials scored again: by cell, by theta_e, and one row each."""
    from lenscal.audit.images import injected_images

    store, scored_before = (
        run.store("injections").drop_vars("image", errors="ignore"),
        run.store("scores", "injections")["score"].load(),
    )
    cells, parts = [], []
    for i, psf in enumerate(store["psf_fwhm"].values):
        for j, depth in enumerate(store["depth"].values):
            say(f"trials: seeing {psf:g} arcsec, depth {depth:g}")
            some = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1), "trial": slice(0, per_cell)}
            block = store.isel(some).load()
            before = scored_before.isel(some).transpose(*schema.TRIAL).values.astype(float)
            after = np.where(
                np.isfinite(before.ravel()), scored(run, injected_images(run, block), frozen), np.nan
            ).reshape(before.shape)
            for k, theta_e in enumerate(block["theta_e"].values):
                cells.append(
                    {
                        "theta_e": theta_e,
                        "psf_fwhm": psf,
                        "depth": depth,
                        **Paired.of_scores(before[k], after[k], old, new).row(),
                    }
                )
            flat = {name: block[name].transpose(*schema.TRIAL).values.ravel() for name in ("injection_id", "galaxy_id")}
            centre = np.broadcast_to(block["theta_e"].values[:, None, None, None], before.shape).ravel()
            parts.append(
                pd.DataFrame({**flat, "theta_e_bin": centre, "before": before.ravel(), "after": after.ravel()})
            )
    trials = pd.concat(parts, ignore_index=True)
    trials = trials[np.isfinite(trials["before"]) & np.isfinite(trials["after"])].reset_index(drop=True)
    by_theta = [
        {"theta_e": key, **Paired.of_scores(rows["before"], rows["after"], old, new).row()}
        for key, rows in trials.groupby("theta_e_bin")
    ]
    return pd.DataFrame(cells), pd.DataFrame(by_theta), trials


def _predicted(
    run: Run, trials: pd.DataFrame, lenses: pd.DataFrame, old: float, new: float
) -> Mapping[str, float | str | None]:
    """What the same trials predict of the lenses, before and after; a sentence where they cannot."""
    from lenscal import selection

    table = selection.table_of(
        run.store("injections").drop_vars("image", errors="ignore").load(), run.store("scores", "injections").load()
    )
    table = table.merge(trials[["injection_id", "before", "after"]], on="injection_id")
    names = list(selection.FEATURES)
    table = table[np.isfinite(table[names].to_numpy(float)).all(1)].reset_index(drop=True)
    population = lenses[names][np.isfinite(lenses[names].to_numpy(float)).all(1)].reset_index(drop=True)
    out: dict[str, float | str | None] = {"before": None, "after": None, "refused": ""}
    try:
        for name, threshold in (("before", old), ("after", new)):
            out[name] = float(
                selection.reweight(table, population, table[name].to_numpy() >= threshold, run.settings.seed).value
            )
    except ValueError as error:
        out["refused"] = str(error)
    return out
