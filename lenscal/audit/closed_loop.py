"""The closed loop: true lenses of skies that the run has not seen, found by its detector, beside what
its trials predict of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.products import Run, same_detector
from lenscal.audit.truth import read_truth
from lenscal.config import Settings
from lenscal.engine import PlanError
from lenscal.io import stores

FOLDER = "closed-loop"
BLOCK = 100  # lenses whose pixels are in memory at once
Say = Callable[[str], None]


def settings_of_sky(settings: Settings, seed: int, lenses: int) -> Settings:
    """The run's settings for another sky: another seed, that many lenses, a folder of its own below the run's."""
    sky = settings.sky.model_copy(update={"lenses": lenses})
    survey = settings.survey.model_copy(
        update={"root": str(Path(settings.stores) / FOLDER / f"sky-{seed}"), "randoms": []}
    )
    return settings.model_copy(update={"seed": seed, "sky": sky, "survey": survey})


def refuse(run: Run, seeds: list[int]) -> None:
    """Say why this run cannot be held against other skies.

    Raises
    ------
    PlanError
        One sentence: what was found, what was expected, what to do.
    """
    from lenscal.audit.pipeline import plan_of

    settings = run.settings
    if settings.sky is None or not settings.survey.mock:
        raise PlanError(
            "a closed loop needs an embedded sky, whose truth is known: this run file has no section "
            "`sky`, or says survey.mock: false"
        )
    if settings.seed in seeds:
        raise PlanError(
            f"the sky of seed {settings.seed} is the run's own: its lenses chose the detector and its "
            "threshold; give --seed another number"
        )
    plan = plan_of(run)
    for name in ("injections", "detector", "scores", "judgement", "completeness"):
        if plan.done(name) is None:
            raise PlanError(f"the closed loop reads {name}, which is not complete: run `lenscal run` first")
    detector = run.detector  # its hash is held against its content
    same_detector(run, "scores/injections", "thresholds")
    trained_on = detector.about.get("seed") if detector.mock else None
    if trained_on in seeds:
        raise PlanError(
            f"the detector was trained on the embedded sky of seed {trained_on}: its true lenses are no "
            "test; give --seed another number"
        )


def lenses_of_sky(run: Run, sky: Settings, say: Say) -> pd.DataFrame:
    """True lenses of an embedded sky: what a population is told by (`selection.FEATURES`), why a lens is
    left out, and its score.

    Returns
    -------
    DataFrame
        One row a lens: galaxy_id, seed, the features, score, and left_out ("" for those that stay).
    """
    from lenscal import cutouts, quality

    rows = _rows(sky)
    settings, frozen = run.settings, run.detector
    survey = Run(sky).survey
    stars = rows.attrs["stars"]
    parts = []
    for start in range(0, len(rows), BLOCK):
        part = rows.iloc[start : start + BLOCK]
        say(f"sky {sky.seed}: lens {start} of {len(rows)}")
        cut = cutouts.cut(part, survey.read, settings.cutouts, sky.survey.bands)
        found = quality.measure(cut, stars, settings.quality)
        ok = found["cutout_ok"].values.astype(bool)
        image = cutouts.crop(cut["image"].transpose("galaxy", "band", "y", "x"), settings.injections.size).values
        bands = [[str(band) for band in cut["band"].values].index(band) for band in frozen.bands]
        score = np.where(ok, frozen.score(image[:, bands], settings.scores.batch), np.nan)
        reason = np.where(ok, "", "not fit for use: " + found["reason"].values.astype(object))
        parts.append(pd.DataFrame({"score": score.astype(float), "left_out": reason}))
    table = pd.concat([rows.reset_index(drop=True), pd.concat(parts, ignore_index=True)], axis=1)
    grid = settings.injections.grid
    for axis, name in (("theta_e", "theta_e"), ("psf_fwhm", "psfsize_r"), ("depth", "psfdepth_r")):
        edges = getattr(grid, axis).edges
        beyond = ~table[name].between(edges[0], edges[-1], inclusive="left").to_numpy()
        table.loc[beyond & (table["left_out"] == ""), "left_out"] = f"{axis} outside the grid"
    return table


def _rows(sky: Settings) -> pd.DataFrame:
    """Catalogue rows of the true lenses, with the truth of their sources, as rows that cutouts can be made of."""
    from lenscal.injections import populations
    from lenscal.io import sweeps
    from lenscal.selection import FEATURES

    root = Path(sky.survey.root)
    truth = read_truth(root)
    files, columns = sweeps.sweep_files(root, region=sky.survey.region), sweeps.sweep_columns(sky.survey.bands)
    catalogue = pd.concat([_survey_objects(sky, path, columns) for path in files], ignore_index=True)
    catalogue = catalogue.drop_duplicates("galaxy_id", ignore_index=True)
    lenses = truth[truth["kind"] == "lens"].set_index("galaxy_id")
    rows = catalogue[catalogue["galaxy_id"].isin(lenses.index)].reset_index(drop=True)
    lenses = lenses.loc[rows["galaxy_id"]].reset_index()
    drawn = truth.loc[
        truth["drawn"], ["ra", "dec", "flux_r"]
    ]  # an arc that the catalogue took for an object is no neighbour
    made = populations.features(rows)
    made[populations.NEIGHBOURS] = populations.neighbours(rows, drawn)
    lensed = {
        band: schema.ZEROPOINT - 2.5 * np.log10(lenses[f"lensed_flux_{band}"].to_numpy(float)) for band in schema.BANDS
    }
    made = made.assign(
        theta_e=lenses["lens_theta_e"],
        psfsize_r=rows["psfsize_r"].astype(float),
        psfdepth_r=rows["psfdepth_r"].astype(float),
        lensed_mag_r=lensed["r"],
        lensed_colour_gr=lensed["g"] - lensed["r"],
        lensed_colour_rz=lensed["r"] - lensed["z"],
        beta_fraction=np.hypot(lenses["source_x"], lenses["source_y"]) / lenses["lens_theta_e"],
        # The mock's radius is along the major axis, that of a trial along the intermediate one.
        r_e=lenses["source_r_e"] * np.sqrt(lenses["source_q"]),
        n=lenses["source_n"],
        source_q=lenses["source_q"],
        q=lenses["lens_q"],
    )[list(FEATURES)]
    for name, variable in schema.GALAXY_COORDS.items():
        if name not in rows and variable.required:
            rows[name] = {"str": "", "bool": False}.get(variable.dtype, 0 if variable.dtype.startswith("i") else np.nan)
    rows["label"], rows["pool"] = 1, "positive"
    for name, variable in schema.GALAXY_COORDS.items():
        if variable.dtype == "str" and name in rows:
            rows[name] = rows[name].astype(str)
    out = pd.concat([rows.drop(columns=[name for name in made if name in rows]), made], axis=1).assign(seed=sky.seed)
    bright = catalogue["gaia_phot_g_mean_mag"].between(0, 16, inclusive="neither")
    out.attrs["stars"] = catalogue.loc[bright, ["ra", "dec", "gaia_phot_g_mean_mag"]].reset_index(drop=True)
    return out


def _survey_objects(sky: Settings, path: Path | str, columns: Sequence[str]) -> pd.DataFrame:
    """Survey objects of one sweep."""
    from lenscal import objects
    from lenscal.io import sweeps

    raw, label = sweeps.read_sweep(path, columns), sweeps.label_of(path, sky.survey.region)
    part_of = (sweeps.region_of(path), sky.survey.release) if sky.survey.region == schema.BOTH else None
    return objects.galaxies(raw, label, bands=sky.survey.bands, part_of=part_of)[0]


def close(run: Run, skies: list[Settings], say: Say) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Score the true lenses of skies that are drawn, and predict their recovery.

    Parameters
    ----------
    run : Run
        The run.
    skies : list of Settings
        From `settings_of_sky`; drawn.
    say : callable
        Takes a line about what is being done.

    Returns
    -------
    dict
        As `loop.summary`: what goes into closed-loop.json.
    dict of DataFrame
        lenses (one row each), bins.
    """
    from lenscal import selection
    from lenscal.selection import loop

    trials = selection.table_of(
        run.store("injections").drop_vars("image", errors="ignore").load(), run.store("scores", "injections").load()
    )
    trials = trials[np.isfinite(trials[list(selection.FEATURES)].to_numpy(float)).all(1)].reset_index(drop=True)
    lenses = pd.concat([lenses_of_sky(run, sky, say) for sky in skies], ignore_index=True)
    unknown = ~np.isfinite(lenses[list(selection.FEATURES)].to_numpy(float)).all(1)
    lenses.loc[unknown & (lenses["left_out"] == ""), "left_out"] = "a colour or size is not measured"
    brackets = run.table("realism/sensitivity.parquet") if run.path("realism/sensitivity.parquet").exists() else None
    say("prediction from the trials")
    return loop.judge(
        lenses, trials, run.store("thresholds").load(), run.store("completeness").load(), brackets, run.settings.seed
    )


def write(run: Run, summary: dict, tables: dict[str, pd.DataFrame]) -> Path:
    """Write closed-loop.json, the tables and the figure below the run's stores; the folder comes back."""
    from lenscal.report.figures import closed_loop

    folder = run.path(FOLDER)
    for name, table in tables.items():
        stores.write_table(folder / f"{name}.parquet", table)
        stores.write_bytes(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
    stores.write_bytes(folder / "closed-loop.json", (json.dumps(summary, indent=1, allow_nan=False) + "\n").encode())
    for suffix, content in closed_loop.draw(summary).items():
        stores.write_bytes(folder / f"closed-loop.{suffix}", content)
    return folder
