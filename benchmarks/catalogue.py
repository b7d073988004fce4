"""Speed and memory of the catalogue at survey density: import, cross-match and sample, beside a bare
column read of the same files.

    python benchmarks/catalogue.py --folder /tmp/somewhere [--rows 20000000] [--keep]

Writes sweep files in DR10's layout (130 columns, some 0.5 kB a row: 10 GB for 20 million rows) below the folder and
removes them afterwards; the sample is also drawn from twice the rows, by leaves turned by 90 degrees with other ids.
One core: the blocks of the stages are worked on one after the other in one process. Rates are rows per second of
processor time, because machines are shared; wall time stands beside them. A small sky (--rows 20000) is for trying it:
its costs are those of starting.

Limits: import >= 300,000 rows/s/core and within 3x of the bare read; sample >= 1,500,000 rows/s/core with <= 2 GB at
any number of rows; cross-match of 5,104 positives (in 20 million rows) <= 30 s; a finished plan again < 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

SURVEY_ROWS = 2_827_055_986
PER_FILE, PER_BRICK = 2_000_000, 5_000
LENSES, LENSES_ROWS = 5_104, 20_000_000  # all of the survey's imaging candidates in so few rows; fewer rows have fewer
LENS_TYPES = {"SER": 2909, "DEV": 911, "REX": 724, "EXP": 200, "PSF": 35}  # of 4,788 candidates met in DR10
NEGATIVES = (
    20  # for each positive: 100 would be more galaxies than a sky 141 times as dense in lenses as the survey has
)
JUDGED_ROWS = 10_000_000  # below, the second or two of starting (imports, kept kernels) is most of the cost
CONDITIONS = {"G": (1.45, 1100), "R": (1.30, 550), "I": (1.25, 300), "Z": (1.20, 110)}


def rows_of(count: int, tile: int, start: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of one sweep file, brick after brick: magnitudes, types and shapes as frequent as in the survey."""
    from lenscal.mock import columns

    out = columns.empty(columns.SWEEP, count)
    row = start + np.arange(count)
    brick = row // PER_BRICK
    out["RELEASE"], out["BRICKID"], out["OBJID"] = 10000, 1 + tile * (PER_FILE // PER_BRICK) + brick, row % PER_BRICK
    out["BRICKNAME"] = np.char.mod("%07d", out["BRICKID"])
    out["RA"] = 5 * tile + 0.25 * (brick % 20 + rng.random(count))
    out["DEC"] = 0.25 * (brick // 20 + rng.random(count))
    r = np.maximum(24.5 + np.log10(rng.random(count)) / 0.35, 14)
    bright = r < 20.5
    u = rng.random(count)
    faint_type = np.digitize(u, [0.47, 0.88, 0.965, 0.99])
    bright_type = np.digitize(u, [0.45, 0.53, 0.63, 0.80])
    types = np.array([b"PSF", b"REX", b"EXP", b"DEV", b"SER"])[np.where(bright, bright_type, faint_type)]
    out["TYPE"] = types
    extended = types != b"PSF"
    colour = rng.normal(0.9, 0.35, count)
    for band, shift in (
        ("G", -colour),
        ("R", 0),
        ("I", 0.35),
        ("Z", rng.normal(0.6, 0.25, count)),
        ("W1", 1.2),
        ("W2", 0.9),
    ):
        out[f"FLUX_{band}"] = 10 ** (0.4 * (22.5 - r + shift))
        out[f"FLUX_IVAR_{band}"] = 100
    for band in ("G", "R", "I", "Z", "W1", "W2", "W3", "W4"):
        out[f"MW_TRANSMISSION_{band}"] = 0.95
    for band, (size, depth) in CONDITIONS.items():
        out[f"NOBS_{band}"] = rng.choice(np.arange(2, 13), count)
        out[f"PSFSIZE_{band}"] = size * rng.uniform(0.9, 1.1, count)
        out[f"PSFDEPTH_{band}"] = depth * rng.uniform(0.7, 1.3, count)
        out[f"GALDEPTH_{band}"] = 0.6 * out[f"PSFDEPTH_{band}"]
        out[f"RCHISQ_{band}"] = rng.lognormal(0.02, 0.12, count)
        out[f"FRACFLUX_{band}"] = rng.exponential(0.04, count)
        out[f"FRACIN_{band}"] = 1 - rng.exponential(0.02, count)
        out[f"FIBERFLUX_{band}"] = 0.5 * out[f"FLUX_{band}"]
        out[f"FIBERTOTFLUX_{band}"] = out[f"FIBERFLUX_{band}"] * (1 + rng.exponential(0.02, count))
    out["EBV"] = 0.03
    out["SHAPE_R"] = np.where(extended, rng.lognormal(-0.3, 0.6, count), 0)
    out["SHAPE_R_IVAR"] = np.where(extended, 400, 0)
    out["SHAPE_E1"], out["SHAPE_E2"] = (np.where(types > b"PSF", rng.normal(0, 0.2, count), 0) for _ in range(2))
    out["SERSIC"] = np.where(types == b"SER", rng.uniform(0.6, 6, count), np.where(types == b"DEV", 4, 1))
    out["GAIA_PHOT_G_MEAN_MAG"] = np.where(~extended & bright, r, 0)
    out["MASKBITS"] = np.where(rng.random(count) < 0.01, 1 << 11, 0)
    return out


def write_sky(folder: Path, rows: int) -> None:
    """Sweep files."""
    from astropy.io import fits

    from lenscal.mock import columns

    sweeps = folder / "survey" / "south" / "sweep" / "10.1"
    sweeps.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for tile in range(-(-rows // PER_FILE)):
        count = min(PER_FILE, rows - tile * PER_FILE)
        header = fits.BinTableHDU(columns.empty(columns.SWEEP, 1)).header
        header["NAXIS2"] = count
        with (sweeps / f"sweep-{5 * tile:03d}p000-{5 * tile + 5:03d}p005.fits").open("wb") as file:
            fits.PrimaryHDU().writeto(file)
            file.write(header.tostring().encode())
            for start in range(0, count, 200_000):
                part = rows_of(min(200_000, count - start), tile, start, rng)
                file.write(part.astype(part.dtype.newbyteorder(">")).tobytes())
            file.write(bytes(-file.tell() % 2880))


def write_lenses(folder: Path, rows: int) -> None:
    """A catalogue of lenses on bright objects, their types as frequent as those of the survey's candidates."""
    from lenscal.io import sweeps

    wanted, lenses = min(LENSES, max(16, round(LENSES * rows / LENSES_ROWS))), []
    paths = sweeps.sweep_files(folder / "survey")
    for number, path in enumerate(paths):
        part = sweeps.read_sweep(path, ["RA", "DEC", "TYPE", "FLUX_R", "NOBS_Z"])
        part = part[(part["FLUX_R"] > 10) & (part["NOBS_Z"] > 2)].astype({"TYPE": "str"})
        share = part["TYPE"].map(LENS_TYPES).fillna(0) / part["TYPE"].map(part["TYPE"].value_counts())
        size = min(-(-wanted // len(paths)), len(part))
        some = np.random.default_rng([1, number]).choice(len(part), size, replace=False, p=share / share.sum())
        lenses.append(part.iloc[some][["RA", "DEC"]].rename(columns=str.lower).astype(float))
    lenses = pd.concat(lenses, ignore_index=True).iloc[:wanted]
    lost = np.arange(len(lenses)) % 16 == 0  # one in sixteen lies off the footprint
    lenses["dec"] += np.where(lost, -20, 0.06 / 3600)
    lenses["name"] = [f"DESI-{i}" for i in range(len(lenses))]
    lenses["grade"] = np.where(np.arange(len(lenses)) % 12 == 0, "confident", "probable")
    lenses.assign(reference="Huang (2021)").to_csv(folder / "lenses.csv", index=False)


def run_file(folder: Path, stores: str) -> Path:
    columns = {name: name for name in ("name", "grade", "reference")}
    raw = {
        "name": "benchmark",
        "seed": 1,
        "stores": str(folder / stores),
        "survey": {"layout": "dr10", "root": str(folder / "survey")},
        "objects": {
            "lenses": [
                {
                    "name": "lenses",
                    "source": str(folder / "lenses.csv"),
                    "format": "csv",
                    "channel": "imaging-ml",
                    "columns": columns,
                }
            ]
        },
        "manifest": {"negatives_per_positive": NEGATIVES, "required_classes": []},
    }
    path = folder / f"{stores}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


# Steps, each in a process of its own so that its memory is its own.


def bare(settings: object) -> dict:
    """The columns in use of every file, read by astropy into native arrays and dropped: nothing else."""
    from astropy.io import fits

    from lenscal.io import sweeps

    rows = 0
    for path in sweeps.sweep_files(settings.survey.root):
        with fits.open(path, memmap=True) as hdus:
            for name in sweeps.SWEEP_COLUMNS:
                values = np.asarray(hdus[1].data.field(name))
                values = values if values.dtype.kind == "U" else values.astype(values.dtype.newbyteorder("="))
            rows += len(values)
    return {"rows": rows}


def own_read(settings: object) -> dict:
    """The same by lenscal's reader, a range of rows at a time."""
    from lenscal.io import sweeps

    rows = 0
    for path in sweeps.sweep_files(settings.survey.root):
        with sweeps.SweepFile(path) as file:
            for _, table in file.parts(settings.objects.chunk_rows):
                rows += len(table)
    return {"rows": rows}


def stage(settings: object, name: str) -> dict:
    """One stage of a run as the command does it, its blocks in this process."""
    from lenscal.audit import run
    from lenscal.audit.stages import STAGES

    STAGES[name].parallel = False
    finish, spent = STAGES[name].finish, {}

    def timed(*arguments: object) -> object:
        before, wall = time.process_time(), time.perf_counter()
        out = finish(*arguments)
        spent["finish_cpu"], spent["finish_wall"] = time.process_time() - before, time.perf_counter() - wall
        return out

    STAGES[name].finish = timed
    result = run(settings, [name])
    failed = [gate.id for gate in result.failed]
    return {
        "rows": result.stages[-1].rows,
        "blocks": result.stages[-1].blocks,
        "state": result.stages[-1].state,
        "failed": failed,
        **spent,
    }


def match(settings: object) -> dict:
    """All positives with all rows."""
    from lenscal.audit import Run, scanning

    place = Run(settings)
    (hits,) = scanning.meet(place, [scanning.Targets(place.lenses, settings.objects.match_radius_arcsec)])
    return {"rows": len(place.lenses), "pairs": len(hits), "matched": hits["at"].nunique()}


def leaves(settings: object) -> dict:
    """The columns of the leaves that the sample scans, read by Arrow into NumPy's arrays and dropped: nothing else."""
    import pyarrow.parquet as pq

    from lenscal.audit import Run, scanning

    place, rows = Run(settings), 0
    columns = list(scanning._scanned(place))
    for path in sorted((place.path("objects") / "galaxies").glob("dataset/Norder=*/Dir=*/Npix=*/*.parquet")):
        table = pq.read_table(path, columns=columns, partitioning=None)
        rows += max(len(table[name].to_numpy()) for name in table.column_names)
    return {"rows": rows}


def step(name: str, run: str) -> None:
    from lenscal.config import load

    settings = load(run)
    before, wall = time.process_time(), time.perf_counter()
    found = (
        {"bare": bare, "own_read": own_read, "match": match, "leaves": leaves}[name](settings)
        if name in ("bare", "own_read", "match", "leaves")
        else stage(settings, name)
    )
    found |= {
        "cpu": time.process_time() - before,
        "wall": time.perf_counter() - wall,
        "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    print(json.dumps(found))


def measured(name: str, run: Path) -> dict:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--step", name, "--run", str(run)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) | {"process": time.perf_counter() - started}


def double(folder: Path, run: Path) -> Path:
    """A run of twice the rows: every leaf again, turned by 90 degrees (which HEALPix's base pixels
    repeat), with other bricks.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    again = run_file(folder, "twice")
    shutil.copytree(
        folder / "once", folder / "twice", copy_function=os.link, ignore=shutil.ignore_patterns("manifest*")
    )
    for name in ("galaxies", "galaxies_margin"):
        root = folder / "twice" / "objects" / name
        leaves = pd.read_csv(root / "partition_info.csv")
        order, turn = int(leaves["Norder"].iloc[0]), {}
        for path in list(root.glob("dataset/Norder=*/Dir=*/Npix=*/*.parquet")):
            leaf = int(path.parent.name.removeprefix("Npix="))
            face = leaf >> 2 * order
            moved = ((face // 4 * 4 + (face + 1) % 4) << 2 * order) | (leaf & ((1 << 2 * order) - 1))
            turn[leaf] = moved
            table = pq.read_table(path, partitioning=None)
            new = {
                "ra": pc.add(table["ra"], 90.0),
                "brickid": pc.cast(pc.add(table["brickid"], 500_000), pa.int32()),
                "galaxy_id": pc.add(table["galaxy_id"], 500_000 << 22),
                "_healpix_29": pc.add(table["_healpix_29"], (moved - leaf) << 2 * (29 - order)),
                "healpix_128": pc.add(table["healpix_128"], (moved - leaf) << 2 * (7 - order)),
                "healpix_64": pc.add(table["healpix_64"], (moved - leaf) << 2 * (6 - order)),
            }
            for column, values in new.items():
                table = table.set_column(table.schema.get_field_index(column), column, values)
            target = (
                root / "dataset" / f"Norder={order}" / f"Dir={moved // 10000 * 10000}" / f"Npix={moved}" / path.name
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            text = ["type", "brickname", "sweep_file"]
            pq.write_table(table, target, compression="lz4", use_dictionary=text, row_group_size=1 << 16)
        (root / "partition_info.csv").unlink()
        found = sorted([*turn, *turn.values()])
        (root / "partition_info.csv").write_text("Norder,Npix\n" + "".join(f"{order},{leaf}\n" for leaf in found))
    return again


def line(what: str, found: dict, rows: int, limit: str, good: bool) -> None:
    rate, verdict = rows / found["cpu"], "reached" if good else "MISSED"
    verdict = verdict if rows >= JUDGED_ROWS else "not judged on so few rows"
    print(
        f"{what:44s} {rows / 1e6:6.1f} M rows {found['cpu']:8.1f} s cpu {found['wall']:8.1f} s wall {rate / 1e6:8.3f} "
        f"M rows/s/core {found['gb']:5.2f} GB   {limit:>28s} {verdict}",
        flush=True,
    )


def sampled(found: dict, rows: int) -> None:
    """The stage manifest: its scans of the leaves, then the whole with drawing, gathering the rows
    drawn, gates and writing.
    """
    scans = found | {"cpu": found["cpu"] - found["finish_cpu"], "wall": found["wall"] - found["finish_wall"]}
    line(
        f"filters to reservoirs, {found['blocks']} leaves",
        scans,
        rows,
        ">= 1.5 M, <= 2 GB",
        rows / scans["cpu"] >= 1.5e6 and found["gb"] <= 2,
    )
    line(f"with the sample of {found['rows']:,} rows", found, rows, "<= 2 GB", found["gb"] <= 2)
    print(f"  gates that fail: {found['failed']}", flush=True)


def main(folder: Path, rows: int, keep: bool) -> None:
    needed, free = rows * 900, shutil.disk_usage(folder.parent).free
    written = (folder / "written").exists() and int(
        (folder / "written").read_text()
    ) == rows  # by an earlier run with --keep
    if not written and free < 1.2 * needed:
        raise SystemExit(
            f"--folder: {free / 1e9:.0f} GB are free at '{folder.parent}', {1.2 * needed / 1e9:.0f} GB "
            "are needed; use fewer --rows"
        )
    folder.mkdir(parents=True, exist_ok=written)
    try:
        started = time.perf_counter()
        if not written:
            write_sky(folder, rows)
            (folder / "written").write_text(str(rows))
        write_lenses(folder, rows)
        for name in ("once", "twice"):
            shutil.rmtree(folder / name, ignore_errors=True)
        if not written:
            print(f"{rows:,} rows written in {time.perf_counter() - started:.0f} s", flush=True)
        run = run_file(folder, "once")
        plain = measured("bare", run)
        line("bare column read (astropy)", plain, rows, "", True)
        own = measured("own_read", run)
        line("the same by lenscal's reader", own, rows, "", True)
        imported = measured("objects", run)
        imported["cpu"] -= imported["finish_cpu"]
        imported["wall"] -= imported["finish_wall"]
        rate, ratio = rows / imported["cpu"], imported["cpu"] / plain["cpu"]
        line("import: FITS to leaves", imported, rows, ">= 0.3 M, <= 3x bare read", rate >= 3e5 and ratio <= 3)
        print(
            f"  {ratio:.2f}x the bare read; {imported['cpu'] / own['cpu']:.2f}x lenscal's own bare read; the rest of "
            f"the stage {imported['finish_cpu']:.1f} s cpu"
        )
        met = measured("match", run)
        line(f"cross-match of {met['rows']:,} positives", met, rows, "<= 30 s", met["wall"] <= 30)
        print(f"  {met['matched']:,} matched, {met['pairs']:,} pairs")
        read = measured("leaves", run)
        line("bare column read of the leaves (Arrow)", read, rows, "", True)
        drawn = measured("manifest", run)
        sampled(drawn, rows)
        print(f"  the scans take {(drawn['cpu'] - drawn['finish_cpu']) / read['cpu']:.2f}x the bare read of the leaves")
        for name in ("objects", "manifest"):
            again = measured(name, run)
            print(
                f"{name} again: {again['state']}, {again['wall']:.2f} s wall, {again['cpu']:.2f} s cpu "
                f"({again['process']:.2f} s wall with the start of Python), limit 2 s: "
                f"{'reached' if again['wall'] < 2 else 'MISSED'}"
            )
        sampled(measured("manifest", double(folder, run)), 2 * rows)
        hours = {"import": imported, "cross-match": met, "sample": drawn}
        print(f"for {SURVEY_ROWS:,} rows, by the cost per row measured here:")
        for what, found in hours.items():
            print(f"  {what:12s} {found['cpu'] / rows * SURVEY_ROWS / 3600:6.2f} core-hours")
    finally:
        if not keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the sweep files go (a new folder, removed afterwards)"
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step(options.step, options.run)
    else:
        import tempfile

        main(
            options.folder or Path(tempfile.gettempdir()) / f"lenscal-catalogue-{os.getpid()}",
            options.rows,
            options.keep,
        )
