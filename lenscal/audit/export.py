"""Images of a run for a detector that stays with its owner: cutouts and injections with their ids, in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.images import injected_images
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.engine.addresses import short
from lenscal.errors import InputError
from lenscal.io import exported, folders, stores

WHAT = ("cutouts", "injections")
STAGES = {"cutouts": ("cutouts", "quality"), "injections": ("cutouts", "quality", "injections")}
Say = Callable[[str, int, int], None]
"""Is told of each part: kind, images written so far, images in all."""


def export(run: Run, out: Path, what: Sequence[str] = WHAT, format_: str = "zarr", say: Say = lambda *_: None) -> dict:
    """Write the images that a detector has to score, with their ids.

    Injections are rendered part by part, so that memory does not grow with their number; a stopped export goes on.

    Parameters
    ----------
    run : Run
        Of a run whose cutouts, quality and injections are complete.
    out : Path
        Folder, new or of the same export.
    what : sequence of str
        Of `WHAT`.
    format_ : str
        Of `exported.FORMATS`.

    Returns
    -------
    dict
        The manifest, as it is written to manifest.json: what, format, rows, bands, unit, and the SHA-256 of each file.

    Raises
    ------
    InputError
        A stage is not complete, ids of both kinds meet, or the folder holds something else.
    """
    wanted = [name for name in WHAT if name in what]
    if unknown := [name for name in what if name not in WHAT] or ([] if wanted else ["nothing"]):
        raise InputError(f"export: {', '.join(unknown)} cannot be exported; expected {' and '.join(WHAT)}")
    digests = _digests(run, wanted)
    address = short({"what": wanted, "format": format_, "part": exported.PART, "digests": digests})
    progress = exported.Progress(out, address)
    sinks = {kind: exported.sink_of(format_, out, kind) for kind in wanted}
    progress.refuse()
    about = {"what": wanted, "format": format_}
    progress.begin(about)
    rows = {kind: (_cutout_rows if kind == "cutouts" else _injection_rows)(run) for kind in wanted}
    _apart(rows)
    files: dict[str, str] = {}
    for kind in wanted:
        files |= _written(run, kind, rows[kind], sinks[kind], progress, say)
    table = pd.concat([rows[kind].assign(kind=kind.removesuffix("s")) for kind in wanted], ignore_index=True)
    stores.write_table(out / "ids.parquet", table[["id", "kind", "galaxy_id", "part", "row"]])
    files["ids.parquet"] = exported.sha256(out / "ids.parquet")
    if format_ == "zarr":
        files |= {
            path.relative_to(out).as_posix(): exported.sha256(path)
            for kind in wanted
            for path in (out / f"{kind}.zarr").rglob("zarr.json")
        }
    manifest = {
        **about,
        "address": address,
        "run": run.settings.name,
        "seed": run.settings.seed,
        "digests": digests,
        **_facts(run),
        "rows": {kind: len(rows[kind]) for kind in wanted},
        "files": files,
    }
    stores.write_bytes(out / "README.md", _readme(manifest).encode())
    stores.write_json(out / exported.MANIFEST, manifest)
    folders.remove(out / ".parts")
    return manifest


def _digests(run: Run, wanted: Sequence[str]) -> dict[str, str]:
    plan, found = plan_of(run), {}
    for stage in dict.fromkeys(stage for kind in wanted for stage in STAGES[kind]):
        done = plan.done(stage)
        if not done:
            raise InputError(
                f"export: the stage {stage} is not complete; run `lenscal run RUNFILE --stages "
                "objects,manifest,cutouts,quality,injections` first"
            )
        found[stage] = str(done["digest"])
    return found


def _facts(run: Run) -> dict[str, object]:
    return {
        "bands": list(run.settings.survey.bands),
        "unit": "nanomaggy",
        "zeropoint": schema.ZEROPOINT,
        "pixel_scale": schema.PIXEL_SCALE,
        "layer": run.settings.survey.layer,
        "mock": int(run.settings.survey.mock),
    }


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with the part that each goes into, and its row there."""
    position = np.arange(len(table))
    return table.assign(part=position // exported.PART, row=position % exported.PART)


def _cutout_rows(run: Run) -> pd.DataFrame:
    """id, galaxy_id and position of the cutouts that are fit for use."""
    usable = run.usable
    position = np.flatnonzero(usable["cutout_ok"].values.astype(bool))
    ids = usable["galaxy_id"].values[position]
    return _numbered(pd.DataFrame({"id": ids, "galaxy_id": ids, "position": position}))


def _injection_rows(run: Run) -> pd.DataFrame:
    """id, galaxy_id and cell of the injections that have an image, cell by cell, trial by trial."""
    store = run.store("injections")
    order = ("psf_fwhm", "depth", "trial", "theta_e")
    flat = {name: store[name].transpose(*order).values for name in ("injection_id", "galaxy_id", "failure")}
    shape = flat["failure"].shape
    made = np.flatnonzero(flat["failure"].astype(object).ravel() == "")
    index = dict(zip(order, np.unravel_index(made, shape)))
    return _numbered(
        pd.DataFrame(
            {
                "id": flat["injection_id"].ravel()[made],
                "galaxy_id": flat["galaxy_id"].ravel()[made],
                **{f"i_{k}": v for k, v in index.items()},
            }
        )
    )


def _apart(rows: dict[str, pd.DataFrame]) -> None:
    ids = np.concatenate([table["id"].to_numpy() for table in rows.values()])
    if np.unique(ids).size != ids.size:
        raise InputError("export: a galaxy_id is also an injection_id; export cutouts and injections into two folders")


def _written(
    run: Run, kind: str, rows: pd.DataFrame, sink: exported.Sink, progress: exported.Progress, say: Say
) -> dict[str, str]:
    """Write the parts of a kind that are not there; checksums of all its files."""
    size = run.settings.injections.size if kind == "injections" else run.store("cutouts").sizes["x"]
    sink.begin(len(rows), (len(run.settings.survey.bands), size, size), _facts(run))
    files: dict[str, str] = {}
    for part, table in rows.groupby("part", sort=True):
        names = sink.files(int(part))
        sums = progress.complete(kind, int(part), names)
        if sums is None:
            images = _cutouts(run, table) if kind == "cutouts" else _injections(run, table)
            sink.write(int(part), table["id"].to_numpy(np.int64), np.ascontiguousarray(images, np.float32))
            sums = progress.note(kind, int(part), names)
        files |= sums
        say(kind, int(part) * exported.PART + len(table), len(rows))
    return files


def _cutouts(run: Run, table: pd.DataFrame) -> np.ndarray:
    """Images of some cutouts, (row, band, y, x): whole runs of rows, since single ones cost a chunk's memory each."""
    image, position = run.store("cutouts")["image"].transpose("galaxy", "band", "y", "x"), table["position"].to_numpy()
    first = int(position.min())
    return image.isel(galaxy=slice(first, int(position.max()) + 1)).values[position - first]


def _injections(run: Run, table: pd.DataFrame) -> np.ndarray:
    """Images of some injections, (row, band, y, x), rendered as the stage scores does."""
    store, found = run.store("injections"), []
    for cell, rows in _cells(table):
        trials = slice(int(rows["i_trial"].min()), int(rows["i_trial"].max()) + 1)
        block: xr.Dataset = store.isel(**{dim: [i] for dim, i in cell.items()}, trial=trials).load()
        images = injected_images(run, block)
        shape = [block.sizes[dim] for dim in schema.TRIAL]
        at = {"theta_e": rows["i_theta_e"], "psf_fwhm": 0, "depth": 0, "trial": rows["i_trial"] - trials.start}
        flat = np.ravel_multi_index([np.broadcast_to(np.asarray(at[dim]), len(rows)) for dim in schema.TRIAL], shape)
        found.append(images[flat])
    return np.concatenate(found)


def _cells(table: pd.DataFrame) -> Iterator[tuple[dict[str, int], pd.DataFrame]]:
    for (i, j), rows in table.groupby(["i_psf_fwhm", "i_depth"], sort=True):
        yield {"psf_fwhm": int(i), "depth": int(j)}, rows


def _readme(manifest: dict) -> str:
    listed = ", ".join(f"{count:,} {kind}" for kind, count in manifest["rows"].items())
    return f"""# Images of the lenscal run '{manifest["run"]}', to be scored

{listed}, in parts of at most {exported.PART:,}. Each part has `id` (64-bit whole numbers) and
`image` (row, band, y, x) in {manifest["unit"]} (AB zeropoint {manifest["zeropoint"]}),
bands {", ".join(manifest["bands"])}, {manifest["pixel_scale"]} arcsec per pixel, the target in the middle.
Unobserved pixels are NaN.
`ids.parquet` lists every id and where it lies; `manifest.json` holds the SHA-256 of every file.

Score every id, and write a table with the columns `id` and `score` (Parquet, CSV, ECSV or FITS;
higher means more like a lens; keep ids as whole numbers). Then set `detector.artifact` of the run
file to it and run again.
"""
