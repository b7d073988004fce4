"""The catalogue of the survey, part by part: sweeps become leaves, leaves meet the lenses and offer
their rows to the sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import lenscal
from lenscal import schema
from lenscal.audit.products import Run
from lenscal.engine import Outcome
from lenscal.gates import Gate, Ledger, absent
from lenscal.io import hats, stores, sweeps
from lenscal.kernels import keysets

from . import skymap
from .published import UNCHECKED, checksums_of

_NUMBER_BITS = 22  # of OBJID in a galaxy_id
MEETING = ("galaxy_id", "ra", "dec", "type", "nobs_z", "psfsize_r", "psfdepth_r")


def import_sweep(run: Run, path: Path | str, name: str) -> Outcome:
    """One sweep file into the leaves it touches, a range of rows at a time; its keys and footprint
    are noted beside the plan.
    """
    from lenscal import objects

    settings, bands = run.settings.objects, run.settings.survey.bands
    declared = schema.of_bands(schema.GALAXIES, bands)
    folder, notes = run.path("objects") / "galaxies", _notes(run)
    bricks: list[pd.DataFrame] = []
    opaque, codes = 0, set()
    keys, footprint, ledger, depths = keysets.KeySet(), pd.Series(dtype="int64"), Ledger(0, 0), objects.Depths()
    label, part_of = _placed(run, path)
    (version,) = checksums_of(run, {label: ""}, [path]).values()
    expected = version.split(" ")[0]
    with (
        sweeps.SweepFile(path, sweeps.sweep_columns(bands), hashed=settings.checksums) as file,
        hats.Writer(folder, name, settings.partition_order, settings.margin_arcsec, declared) as writer,
    ):
        inverse = None
        for start, raw in file.parts(settings.chunk_rows):
            if inverse is None:
                inverse = file.inverse_depths
            if inverse is None:
                inverse = objects.depths_are_inverse(raw) or _any_inverse(path, settings.chunk_rows)
            depths += objects.Depths.of(raw) if inverse else objects.Depths()
            table, part = objects.galaxies(raw, label, start, inverse, bands, part_of)
            codes |= set(raw["RELEASE"].unique().tolist())
            opaque += table.attrs["no_transmission"]
            ids = table["galaxy_id"].to_numpy()
            again = keys.add(ids >> _NUMBER_BITS, ids & ((1 << _NUMBER_BITS) - 1))  # in a chunk each key is there once
            if again.any():
                part += Ledger(0, -int(again.sum()), {objects.TWICE: int(again.sum())})
                table = table[~again]
            ledger += part
            writer.add(table)
            bricks.append(_bricks_of(table))
            footprint = footprint.add(table["healpix_128"].value_counts(), fill_value=0)
        objects.check_file(codes, file.names, label, run.settings.survey, part_of and part_of[0])
        depths.check(label, file.rows)
        if expected != UNCHECKED:
            file.check(expected)  # before a leaf is there
        content = file.sha256() if settings.checksums else None
    packed, pixels = keys.packed(), footprint.sort_index().astype("int64")
    tables = {
        f"{name}.keys.parquet": pd.DataFrame({"group": list(packed), "bits": list(packed.values())}).astype(
            {"group": "int64"}
        ),
        f"{name}.bricks.parquet": _joined_bricks(bricks),
        f"{name}.footprint.parquet": pd.DataFrame(
            {"healpix_128": pixels.index.astype("int64"), "rows": pixels.to_numpy()}
        ),
    }
    beside = {notes / file: stores.write_table(notes / file, table) for file, table in tables.items()}
    digest = stores.add_digests(int(one, 16) for one in writer.written.values())
    return Outcome(
        digest,
        ledger.rows_out,
        ledger,
        summary={"sha256": content, "no_transmission": opaque, "releases": sorted(codes)},
        written=below(run, {**writer.written, **beside}),
        sources={label: version},
    )


def _placed(run: Run, path: Path | str) -> tuple[str, tuple[str, schema.Release] | None]:
    """What the run calls a sweep; and of a run of both regions the file's own, with both."""
    survey = run.settings.survey
    both = survey.region == schema.BOTH
    return sweeps.label_of(path, survey.region), (sweeps.region_of(path), survey.release) if both else None


def below(run: Run, written: Mapping[Path, str]) -> dict[str, str]:
    """Files by their place below the run's folder."""
    return {path.relative_to(run.folder).as_posix(): digest for path, digest in written.items()}


def _any_inverse(path: Path | str, rows: int) -> bool:
    """Whether a file whose first rows leave it open holds depths that cannot be magnitudes."""
    from lenscal import objects

    with sweeps.SweepFile(path, objects.DEPTHS) as file:
        return any(objects.depths_are_inverse(raw) for _, raw in file.parts(rows))


_BRICK = {"brickid": "int64", "brickname": "str", "rows": "int64", "ra": "float64", "dec": "float64"}
_BRICK_DEGREES = 0.3  # from the middle of a brick of 0.25 degrees to what it may list, with its rim


def _bricks_of(table: pd.DataFrame) -> pd.DataFrame:
    """Each pair of BRICKID and BRICKNAME of survey objects: rows, and where the first lies."""
    names = table["brickname"].astype("category")
    key = table["brickid"].to_numpy(np.int64) << 32 | names.cat.codes.to_numpy(np.int64)
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    one = table.iloc[first]
    return pd.DataFrame(
        {
            "brickid": one["brickid"].to_numpy(np.int64),
            "brickname": one["brickname"].astype("str").to_numpy(object),
            "rows": count,
            "ra": one["ra"].to_numpy(float),
            "dec": one["dec"].to_numpy(float),
        }
    )


def _joined_bricks(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    whole = pd.concat(parts) if parts else pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _BRICK.items()})
    out = whole.groupby(["brickid", "brickname"], as_index=False).agg(
        rows=("rows", "sum"), ra=("ra", "first"), dec=("dec", "first")
    )
    return out.astype(_BRICK)


def brick_gate(run: Run, names: Sequence[str]) -> Gate:
    """Whether BRICKID, of which keys are made, is that of the brick named in the same row, and the
    brick is where the row is.
    """
    id_, claim = "objects.bricks", "BRICKID, BRICKNAME and position of survey objects are those of one brick"
    found = _joined_bricks(
        [stores.read_table(_notes(run) / f"{sweeps.stem_of(name)}.bricks.parquet") for name in names]
    )
    if found.empty:
        return absent(id_, claim, "no survey object")
    try:
        known = run.survey.bricks()
    except ValueError as error:
        return absent(id_, claim, f"no table of bricks to hold them against: {str(error)[:200]}")
    if "brickid" not in known:
        return absent(id_, claim, "the table of bricks has no BRICKID")
    joined = found.merge(
        known[["brickname", "brickid", "ra", "dec"]], on="brickname", how="left", suffixes=("", "_of_brick")
    )
    away = np.hypot(
        (((joined["ra"] - joined["ra_of_brick"] + 180) % 360) - 180) * np.cos(np.deg2rad(joined["dec"])),
        joined["dec"] - joined["dec_of_brick"],
    )
    listed = joined["brickid_of_brick"].notna()
    wrong = {
        "in a brick that is not listed": ~listed,
        "with the BRICKID of another brick": listed & joined["brickid"].ne(joined["brickid_of_brick"]),
        "away from their brick": listed & ~(away <= _BRICK_DEGREES),
    }
    bad = np.logical_or.reduce(list(wrong.values()))
    told = [
        f"{int(joined['rows'][rows].sum()):,} {what} (the first: {joined['brickname'][rows].iloc[0]})"
        for what, rows in wrong.items()
        if rows.any()
    ]
    return Gate(
        id_,
        claim,
        "rows of another brick",
        int(joined["rows"][bad].sum()),
        maximum=0,
        critical=True,
        evidence="; ".join(told) or f"{len(joined):,} bricks, {int(joined['rows'].sum()):,} rows",
    )


def _notes(run: Run) -> Path:
    return run.plans / "objects" / "files"


def finish_import(run: Run, names: Sequence[str], ledgers: Sequence[Ledger]) -> dict[str, pd.DataFrame]:
    """What can be said of all files: the HATS metadata, keys that several files hold, the
    footprint, the ledger by file.
    """
    settings, bands = run.settings.objects, run.settings.survey.bands
    folder = run.path("objects") / "galaxies"
    margins = hats.rows_of(hats.margin_of(folder))
    rows = {"": sum(ledger.rows_out for ledger in ledgers), "margin": margins}
    hats.finish(folder, settings.partition_order, settings.margin_arcsec, rows, f"lenscal {lenscal.__version__}", bands)
    notes = _notes(run)
    pixels = [stores.read_table(notes / f"{sweeps.stem_of(name)}.footprint.parquet") for name in names]
    whole = (
        pd.concat(pixels)
        if pixels
        else pd.DataFrame({"healpix_128": np.empty(0, np.int64), "rows": np.empty(0, np.int64)})
    )
    footprint = whole.groupby("healpix_128", as_index=False)["rows"].sum()
    skymap.summarise(folder, footprint)
    files = [
        {"sweep_file": name, "what": what, "rows": count}
        for name, ledger in zip(names, ledgers)
        for what, count in {
            "in": ledger.rows_in,
            "out": ledger.rows_out,
            **dict(sorted(ledger.dropped.items())),
        }.items()
    ]
    return {
        "repeated": _repeated(notes, sorted(names)),
        "footprint": footprint,
        "files": pd.DataFrame(files, columns=["sweep_file", "what", "rows"]),
    }


def _repeated(notes: Path, names: Sequence[str]) -> pd.DataFrame:
    """Rows whose key a file of an earlier name holds too: galaxy_id, sweep_file."""
    seen: dict[int, bytes] = {}
    ids, files = [], []
    for name in names:
        table = stores.read_table(notes / f"{sweeps.stem_of(name)}.keys.parquet")
        for group, bits in zip(table["group"].tolist(), table["bits"]):
            if group in seen:
                both = keysets.common(seen[group], bits)
                ids.append((group << _NUMBER_BITS) + both)
                files += [name] * both.size
                bits = keysets.union(seen[group], bits)
            seen[group] = bits
    whole = np.concatenate(ids) if ids else np.empty(0, np.int64)
    return pd.DataFrame({"galaxy_id": whole.astype(np.int64), "sweep_file": np.array(files, dtype=object)}).astype(
        {"sweep_file": "string[pyarrow]"}
    )
