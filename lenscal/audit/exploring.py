"""The explorer of a finished run: what it shows is gathered and written."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import explorer, schema
from lenscal.audit.images import gallery_images, picked_images
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.config import Settings
from lenscal.errors import InputError
from lenscal.failures.rates import is_negative
from lenscal.io import folders
from lenscal.report import viewer
from lenscal.report.figures.colour import grz

COLUMNS, FALSE_MAX = 4, 240
NEEDED = ("scores", "completeness")


def explore(settings: Settings, out: Path) -> int:
    """Write the page of a finished run into a folder; its bytes.

    Raises
    ------
    InputError
        A stage that the page shows is not complete; or the folder is there and holds something else.
    """
    run = Run(settings)
    plan = plan_of(run)
    if lacking := [name for name in NEEDED if not plan.is_complete(name)]:
        raise InputError(f"{', '.join(lacking)} of {settings.name} are not complete: run `lenscal run` first")
    if out.exists() and any(out.iterdir()) and not (out / "explore.js").exists():
        raise InputError(f"'{out}' is there and holds no explorer: name another folder, or empty it")
    cube = run.store("completeness").load()
    trials, sheets = _trials(run, cube)
    wrong, more = _false_positives(run, float(cube["threshold"].values[0]))
    mapped = run.path("completeness_map.zarr").exists()
    content = {
        "title": settings.report.title or settings.name,
        "run": settings.name,
        "marks": [*(["made from the embedded (mock) sky"] if settings.survey.mock else []), *_marks(cube)],
        "cube": explorer.cells(cube),
        "trials": trials,
        "falsePositives": wrong,
        "sky": explorer.sky(run.store("completeness_map").load()) if mapped else None,
        "gates": explorer.gate_rows([asdict(gate) for gate in plan.gates()]),
        "stamp": settings.injections.size,
        "pixel": schema.PIXEL_SCALE,
    }
    files = explorer.files(content, sheets | more)
    folders.remove(out)
    for name, body in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        folders.write_bytes(out / name, body)
    return sum(map(len, files.values()))


def _marks(cube: xr.Dataset) -> list[str]:
    return [str(cube.attrs[name]) for name in ("not_scientific", "recovery") if cube.attrs.get(name)]


def _trials(run: Run, cube: xr.Dataset) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The trials of each cell that are looked at, and their stamps by the name of the sheet."""
    injected, scored = run.store("injections"), run.store("scores", group="injections")
    threshold = float(cube["threshold"].values[0])
    shown = [run.settings.survey.bands.index(band) for band in schema.BANDS]
    told, sheets = [], {}
    for j in range(injected.sizes["psf_fwhm"]):
        for k in range(injected.sizes["depth"]):
            region = {"psf_fwhm": slice(j, j + 1), "depth": slice(k, k + 1)}
            block = injected.isel(region).drop_vars("image", errors="ignore").load()
            score = scored["score"].isel(region).load().transpose(*schema.TRIAL).values[:, 0, 0]
            picked = [explorer.chosen(row, threshold) for row in score]
            places = [(i, n) for i, trials in enumerate(picked) for n in trials]
            pictures = iter([grz(image[shown]) for image in picked_images(run, block, places)] if places else [])
            for i, trials in enumerate(picked):
                if not trials.size:
                    continue
                name = f"cells/theta{i}-psf{j}-depth{k}.webp"
                sheets[name] = explorer.sheet(np.stack([next(pictures) for _ in trials]), COLUMNS)
                cell = block.isel(theta_e=i, psf_fwhm=0, depth=0, trial=trials)
                told.append({"cell": [i, j, k], "sheet": name, "trials": _about(cell, score[i, trials])})
    return told, sheets


def _about(cell: xr.Dataset, score: np.ndarray) -> list[dict[str, Any]]:
    """What is said of each trial."""
    numbers = {
        "thetaE": "theta_e_drawn",
        "magnitude": "source_mag_r",
        "snr": "arc_snr",
        "magnification": "magnification",
    }
    found = {key: cell[name].values.astype(float) for key, name in numbers.items() if name in cell}
    return [
        {
            "id": str(int(cell["injection_id"].values[n])),
            "host": str(int(cell["galaxy_id"].values[n])),
            "score": _number(score[n]),
            **{key: _number(values[n]) for key, values in found.items()},
        }
        for n in range(score.size)
    ]


def _number(value: float) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None


def _false_positives(run: Run, threshold: float) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Negatives that reach the threshold, highest scores first, with their stamps."""
    table = run.store("scores", group="cutouts").load().reset_coords().to_dataframe()
    wrong = is_negative(table) & (table["split"] != "train") & (table["score"] >= threshold)
    table = table[wrong].sort_values(["score", "galaxy_id"], ascending=[False, True])
    shown = table[:FALSE_MAX]
    classes = [
        ", ".join(name for bit, name in enumerate(schema.CONFUSERS) if bits >> bit & 1) or "no class"
        for bits in shown["confuser"]
    ]
    rows = [
        {
            "id": str(int(row.galaxy_id)),
            "ra": round(float(row.ra), 5),
            "dec": round(float(row.dec), 5),
            "score": _number(row.score),
            "pool": str(row.pool),
            "class": name.replace("_", " "),
            "seeing": _number(row.psfsize_r),
            "depth": _number(row.psfdepth_r),
            "link": "" if run.settings.survey.mock else viewer.link(row.ra, row.dec, run.settings.survey.layer),
        }
        for row, name in zip(shown.itertuples(), classes)
    ]
    told = {"rows": rows, "all": len(table), "threshold": threshold, "sheet": "false-positives.webp", "columns": 12}
    if not rows:
        return told, {}
    images = gallery_images(run, pd.DataFrame({"galaxy_id": shown["galaxy_id"].to_numpy()}))
    return told, {told["sheet"]: explorer.sheet(np.stack([grz(image) for image in images]), told["columns"])}
