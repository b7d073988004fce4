"""Time of every reader on clean input, beside that of an earlier commit on the same files (seconds of the processor).

    python benchmarks/readers.py [--against 60ea248] [--rounds 5] [--only sweeps leaves ...]

The earlier commit is unpacked from this checkout's history into a temporary folder; both sides run in turns, each time
in a process of its own that reads every input several times and keeps the least. The table has the medians over the
rounds. Both read the same files; leaves, which lenscal itself writes, each side writes for itself from the same sweep.

Limit: no reader takes more than 1.2 times as long as at the commit before the checks of units, places, planes and
blanks came in; some rows of leaves may take 1.4 times, as what is not known is null in them now and Arrow needs about a
nanosecond more for every number that could be.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from earlier import BEFORE, CHECKOUT, child, unpacked

LIMIT = 1.2
LIMITS = {"leaves, some rows": 1.4}
HERE = Path(__file__).resolve()
SWEEP_ROWS, RANDOM_ROWS, TABLE_ROWS, STAMPS, SIZE = 200_000, 400_000, 40_000, 200, 101
DENSITY = 2500.0


# What is read: written once, before the clock starts.


def write_inputs(folder: Path) -> None:
    import catalogue
    import cutouts

    catalogue.write_sky(folder, SWEEP_ROWS)
    for number in range(2):
        write_randoms(folder / f"randoms-{number}.fits", number)
    write_tables(folder)
    bricks = folder / "bricks"
    bricks.mkdir()
    wcs = cutouts.write_brick(bricks, 1200)
    x, y = np.random.default_rng(1).integers(60, 1140, (2, STAMPS))
    rows = pd.DataFrame(np.stack(wcs.wcs_pix2world(x, y, 0), 1), columns=["ra", "dec"]).assign(
        galaxy_id=np.arange(STAMPS), brickname=cutouts.NAME
    )
    rows.to_parquet(folder / "positions.parquet")
    write_stamps(folder / "stamps")


def write_randoms(path: Path, number: int) -> None:
    """Random points over one region, as wide a row as the survey's."""
    from astropy.io import fits

    rng = np.random.default_rng(number)
    side = np.sqrt(RANDOM_ROWS / DENSITY)
    dec = np.rad2deg(np.arcsin(rng.uniform(0, np.sin(np.deg2rad(side)), RANDOM_ROWS)))
    columns = {
        "RELEASE": np.full(RANDOM_ROWS, 10000, "i2"),
        "BRICKID": np.arange(RANDOM_ROWS, dtype="i4"),
        "BRICKNAME": np.full(RANDOM_ROWS, b"1500p020"),
        "RA": rng.uniform(0, side, RANDOM_ROWS),
        "DEC": dec,
    }
    for name, low, high in (
        ("PSFDEPTH", 100, 1000),
        ("GALDEPTH", 60, 600),
        ("PSFSIZE", 1, 2),
        ("APFLUX", -1, 1),
        ("APFLUX_IVAR", 1, 2),
        ("FLUX", 0, 1),
    ):
        columns |= {f"{name}_{band}": rng.uniform(low, high, RANDOM_ROWS).astype("f4") for band in "GRIZ"}
    columns |= {
        "MASKBITS": np.zeros(RANDOM_ROWS, "i2"),
        "EBV": np.full(RANDOM_ROWS, 0.03, "f4"),
        "TARGETID": np.arange(RANDOM_ROWS),
    }
    table = np.empty(RANDOM_ROWS, [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    hdu = fits.BinTableHDU(table)
    for name, unit in (("RA", "deg"), ("DEC", "deg"), ("PSFSIZE_R", "arcsec"), ("PSFDEPTH_R", "1/nanomaggy^2")):
        hdu.columns[name].unit = unit
    hdu.header["DENSITY"] = DENSITY
    hdu.writeto(path)


def write_tables(folder: Path) -> None:
    """A catalogue of lenses in each kind of file."""
    from astropy.table import Table

    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "name": [f"DESI-{i:06d}" for i in range(TABLE_ROWS)],
            "ra": rng.uniform(0, 360, TABLE_ROWS),
            "dec": rng.uniform(-60, 60, TABLE_ROWS),
            "zlens": np.where(rng.random(TABLE_ROWS) < 0.5, np.nan, rng.uniform(0.1, 1, TABLE_ROWS)),
            "grade": rng.choice(["A", "B", "C"], TABLE_ROWS),
            "reference": rng.choice(["Huang (2021)", "Storfer (2024)"], TABLE_ROWS),
            "number": np.arange(TABLE_ROWS),
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    table.to_csv(folder / "table.csv.gz", index=False)
    table.to_csv(folder / "table.tsv", index=False, sep="\t")
    table.to_parquet(folder / "table.parquet")
    of_astropy = Table.from_pandas(table.fillna({"zlens": -1.0}))
    of_astropy.write(folder / "table.fits")
    of_astropy[: TABLE_ROWS // 10].write(folder / "table.ecsv", format="ascii.ecsv")


def write_stamps(root: Path) -> None:
    """Stamps in one file of NumPy and in single FITS files."""
    from astropy.io import fits

    rng = np.random.default_rng(3)
    images = rng.normal(0, 0.01, (4, 100, SIZE, SIZE)).astype("f4")
    folder = root / "cutouts" / "des_hosts"
    folder.mkdir(parents=True)
    np.savez(folder / "des_hosts.npz", image=images, bands=np.array(list("griz")), pixscale=0.263)
    folder = root / "cutouts" / "decals_grz"
    folder.mkdir()
    for number in range(40):
        header = fits.Header(
            [
                ("BANDS", "grz"),
                ("CTYPE1", "RA---TAN"),
                ("CTYPE2", "DEC--TAN"),
                ("CRVAL1", 10.0 + number),
                ("CRVAL2", 1.0),
                ("CRPIX1", (SIZE + 1) / 2),
                ("CRPIX2", (SIZE + 1) / 2),
                ("CD1_1", -0.262 / 3600),
                ("CD1_2", 0.0),
                ("CD2_1", 0.0),
                ("CD2_2", 0.262 / 3600),
            ]
        )
        content = io.BytesIO()
        fits.PrimaryHDU(images[:3, number], header).writeto(content)
        (folder / f"decals_{number}.fits.gz").write_bytes(gzip.compress(content.getvalue()))


def write_leaves(folder: Path, leaves: Path) -> None:
    """Leaves with their rims, by the lenscal of this process."""
    from lenscal import objects
    from lenscal.io import hats, sweeps

    (path,) = sweeps.sweep_files(folder / "survey")
    with sweeps.SweepFile(path) as file, hats.Writer(leaves, "sweep", 5, 180.0) as writer:
        for start, raw in file.parts(1 << 20):
            raw.loc[::20, "FLUX_G"], raw.loc[::4, "FLUX_W2"] = -0.1, -0.1  # no magnitude: blank in the leaves
            writer.add(objects.galaxies(raw, sweeps.name_of(path), start, inverse_depths=True)[0])
    hats.finish(leaves, 5, 180.0, {"": 0, "margin": 0}, "benchmark")


# How it is read: the same calls at both commits.


def readers(folder: Path, leaves: Path, address: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name of each reader, and one reading by it."""
    try:
        from lenscal.io.survey.stamps import load_profiles
        from lenscal.io.survey.stamps.files import read_stamps
        from lenscal.io.tables import lenses as catalogues
    except ImportError:  # where an earlier commit has them
        from lenscal.io.stamps import load_profiles
        from lenscal.io.stamps.files import read_stamps

        from lenscal.io import catalogues

    from lenscal import manifest
    from lenscal.config import Service
    from lenscal.io import hats_catalogue, randoms, stores, sweeps
    from lenscal.io.survey import CoaddSurvey, ServiceSurvey

    (path,) = sweeps.sweep_files(folder / "survey")
    yield "sweeps", lambda: sweeps.read_sweep(path)
    files = [folder / f"randoms-{number}.fits" for number in range(2)]
    yield "random points, 1 file", lambda: sum(map(len, randoms.read_randoms(files[:1])))
    yield "random points, 2 files", lambda: sum(map(len, randoms.read_randoms(files)))
    held = hats_catalogue.Catalogue(leaves)
    stars = ["ra", "dec", "gaia_phot_g_mean_mag"]
    yield "leaves", lambda: [held.read(leaf, stars) for leaf in held.leaves]
    yield (
        "leaves, some rows",
        lambda: [held.take(leaf, np.arange(0, 10_000, 50), manifest.COLUMNS) for leaf in held.leaves],
    )
    around = hats_catalogue.Around(*np.random.default_rng(4).uniform(0, 5, (2, 500)), 3.0)
    yield "leaves, near positions", lambda: sum(map(len, held.beside(around, ["galaxy_id", "ra", "dec", "mag_r"])))
    yield "leaves with a rim", lambda: [held.read_with_rim(leaf, manifest.COLUMNS) for leaf in held.leaves]
    for kind in ("csv", "csv.gz", "tsv", "fits", "ecsv"):
        yield f"tables, {kind}", lambda kind=kind: catalogues.read_table(folder / f"table.{kind}")
    yield "tables, parquet", lambda: stores.read_table(folder / "table.parquet")
    rows = pd.read_parquet(folder / "positions.parquet")
    survey = CoaddSurvey(folder / "bricks", "benchmark")
    yield "bricks, dense", lambda: survey.read(rows, SIZE)
    yield "bricks, sparse", lambda: survey.read(rows[:6], SIZE)
    profiles = load_profiles().profiles
    for name in ("des_hosts", "decals_grz"):
        yield f"stamps, {name}", lambda name=name: read_stamps(profiles[name], folder / "stamps")
    service = ServiceSurvey(Service(url=address, requests_per_second=1e6), "ls-dr10", folder)
    yield "service", lambda: service.read(rows[:60], SIZE)


def measure(folder: Path, leaves: Path, address: str, only: list[str]) -> dict[str, float]:
    """Seconds of the processor of each reader: the least of several readings, after one that is not counted."""
    times = {}
    for name, read in readers(folder, leaves, address):
        if only and not any(name.startswith(one) for one in only):
            continue
        try:
            read()
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        spent: list[float] = []
        while len(spent) < 3 or (sum(spent) < 0.5 and len(spent) < 15):
            start = time.process_time()
            read()
            spent.append(time.process_time() - start)
        times[name] = min(spent)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BEFORE, help="commit to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="readers whose names begin so")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        folder, leaves = map(Path, asked.child[:2])
        if asked.child[2]:
            print(json.dumps(measure(folder, leaves, asked.child[2], asked.only)))
        else:
            write_leaves(folder, leaves)
        return
    sys.path[:0] = [str(HERE.parent), str(CHECKOUT / "tests" / "support")]
    import viewer

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = {asked.against: unpacked(asked.against, folder / "before"), "now": CHECKOUT}
        write_inputs(folder)
        for name, sources in sides.items():
            child(sources, str(HERE), "--child", str(folder), str(folder / f"leaves-{name}"), "")
        address = stack.enter_context(viewer.serving()).address
        times: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for number in range(asked.rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                found = child(
                    sides[name],
                    str(HERE),
                    "--child",
                    str(folder),
                    str(folder / f"leaves-{name}"),
                    address,
                    "--only",
                    *asked.only,
                )
                times[name].append(json.loads(found))
    before, now = (pd.DataFrame(rounds).median() * 1e3 for rounds in times.values())
    table = pd.DataFrame({f"{asked.against} [ms]": before, "now [ms]": now, "ratio": now / before}).reindex(now.index)
    print(table.to_string(float_format=lambda value: f"{value:.2f}", na_rep="-"))
    slow = [name for name in table.index if table["ratio"][name] > LIMITS.get(name, LIMIT)]
    print(
        f"\nlimit {LIMIT} ({', '.join(f'{name} {limit}' for name, limit in LIMITS.items())}): "
        + (f"{', '.join(slow)} take longer" if slow else "kept by all")
    )
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
