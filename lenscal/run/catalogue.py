"""The catalogue of the survey, part by part: sweeps become leaves, leaves meet the lenses and offer
their rows to the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

import lenscal
from lenscal import schema
from lenscal.engine import Outcome
from lenscal.gates import Gate, Ledger, absent, words
from lenscal.io import checksums, hats, stores, sweeps
from lenscal.kernels import keysets
from lenscal.run.place import Place

_NUMBER_BITS = 22  # of OBJID in a galaxy_id
_UNCHECKED = "unchecked"  # a sweep that was held against no checksum
_MEETING = ("galaxy_id", "ra", "dec", "type", "nobs_z", "psfsize_r", "psfdepth_r")


def import_sweep(place: Place, path: Path | str, name: str) -> Outcome:
    """One sweep file into the leaves it touches, a range of rows at a time; its keys and footprint
    are noted beside the plan.
    """
    from lenscal import objects

    settings = place.settings.objects
    folder, notes = place.path("objects") / "galaxies", _notes(place)
    bricks: list[pd.DataFrame] = []
    opaque = 0
    keys, footprint, ledger, depths = keysets.KeySet(), pd.Series(dtype="int64"), Ledger(0, 0), objects.Depths()
    (version,) = checksums_of(place, {sweeps.name_of(path): ""}, [path]).values()
    expected = version.split(" ")[0]
    with (
        sweeps.SweepFile(path, hashed=settings.checksums) as file,
        hats.Writer(folder, name, settings.partition_order, settings.margin_arcsec) as writer,
    ):
        inverse = None
        for start, raw in file.parts(settings.chunk_rows):
            if inverse is None:
                inverse = file.inverse_depths
            if inverse is None:
                inverse = objects.depths_are_inverse(raw) or _any_inverse(path, settings.chunk_rows)
            depths += objects.Depths.of(raw) if inverse else objects.Depths()
            table, part = objects.galaxies(raw, sweeps.name_of(path), start, inverse_depths=inverse)
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
        depths.check(sweeps.name_of(path), file.rows)
        if expected != _UNCHECKED:
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
        summary={"sha256": content, "no_transmission": opaque},
        written=_below(place, {**writer.written, **beside}),
        sources={sweeps.name_of(path): version},
    )


def checksums_of(place: Place, known: Mapping[str, str], files: Sequence[Path | str] | None = None) -> dict[str, str]:
    """Of sweep files, by name: the published SHA-256 (what is known, else "unchecked", where no list names them or none
    is asked for), and the version of the file.
    """
    root = place.settings.survey.root
    if not known:
        return {}
    paths = {sweeps.name_of(path): path for path in (sweeps.sweep_files(root) if files is None else files)}
    found = checksums.published(paths.values(), root) if place.settings.objects.checksums else {}
    then = {
        name: version.split(" ")[0] or _UNCHECKED for name, version in known.items()
    }  # what was held against its checksum stays so
    return {
        name: f"{found.get(name, digest)} {sweeps.version(paths[name]) if name in paths else 'absent'}"
        for name, digest in then.items()
    }


def verified(place: Place, path: Path | str, outcome: Outcome) -> Outcome | None:
    """An import whose file has other times or another published checksum now, held against it by reading it once; None
    when it is not the one that was imported.

    Raises
    ------
    SweepError
        The file is another than the survey published.
    """
    name = sweeps.name_of(path)
    held, before = outcome.sources[name].split(" ", 1)
    imported = (outcome.summary or {}).get("sha256") or (None if held == _UNCHECKED else held)
    expected, version = checksums_of(place, outcome.sources, [path])[name].split(" ", 1)
    if imported is None and version != before:
        return None
    with sweeps.SweepFile(path, ("RA",), hashed=True) as file:
        if expected != _UNCHECKED and place.settings.objects.checksums:
            file.check(expected)
        if imported not in (None, file.sha256()):
            return None
    return replace(outcome, sources={name: f"{expected} {version}"})


def _below(place: Place, written: Mapping[Path, str]) -> dict[str, str]:
    """Files by their place below the run's folder."""
    return {path.relative_to(place.folder).as_posix(): digest for path, digest in written.items()}


def file_gates(place: Place, outcomes: Mapping[str, Outcome]) -> list[Gate]:
    """Whether every sweep file was held against a checksum of the survey, and whether each left a row;
    `outcomes` by name of the file.
    """
    bare = sorted(name for name, outcome in outcomes.items() if outcome.sources[name].split(" ")[0] == _UNCHECKED)
    rows_in = {name: outcome.ledger.rows_in for name, outcome in sorted(outcomes.items())}
    lost = {name: rows_in[name] - outcomes[name].ledger.rows_out for name in rows_in}
    empty = [name for name in rows_in if rows_in[name] == lost[name]]
    most = max(lost, key=lost.get, default="")
    told = f"{len(rows_in)} files" + (
        f"; most rows dropped: {lost[most]:,} of the {rows_in[most]:,} of {most}"
        if any(lost.values())
        else ", no row dropped"
    )
    told += f"; the first without a row: {empty[0]} ({rows_in[empty[0]]:,} in)" if empty else ""
    return [
        _checksum_gate(place, len(outcomes), bare),
        _usable_gate(place, outcomes),
        Gate(
            "objects.files",
            "every sweep file leaves survey objects",
            "files without one",
            len(empty),
            maximum=0,
            evidence=f"{told}; all in objects/files.parquet",
        ),
    ]


_FAULTS = ("position", "RA outside", "Dec outside", "key out of range", "type unknown")


def _usable_gate(place: Place, outcomes: Mapping[str, Outcome]) -> Gate:
    """Whether nearly every row of every sweep file can be used; rows that are not primary or twice
    are no faults of a file.
    """
    id_, claim = (
        "objects.usable",
        "nearly every row of every sweep file has a position, a key, a type and a transmission",
    )
    shares = {}
    for name, outcome in sorted(outcomes.items()):
        lost = sum(rows for reason, rows in outcome.ledger.dropped.items() if reason.startswith(_FAULTS)) + (
            outcome.summary or {}
        ).get("no_transmission", 0)
        if outcome.ledger.rows_in:
            shares[name] = 1 - lost / outcome.ledger.rows_in
    if not shares:
        return absent(id_, claim, "no sweep file has a row")
    worst = min(shares, key=shares.get)
    dropped, opaque = outcomes[worst].ledger.dropped, (outcomes[worst].summary or {}).get("no_transmission", 0)
    return Gate(
        id_,
        claim,
        "smallest share of the rows of a file that can be used",
        shares[worst],
        minimum=place.settings.objects.usable_min,
        critical=True,
        evidence=(
            f"{worst}: {outcomes[worst].ledger.rows_in:,} in, dropped: {words(dropped)}; {opaque:,} with an "
            "MW_TRANSMISSION outside (0, 1], so without colours"
        ),
    )


def _checksum_gate(place: Place, files: int, bare: Sequence[str]) -> Gate:
    id_, claim = "objects.checksums", "every sweep file is the one that the survey published"
    if len(bare) == files:
        return absent(
            id_,
            claim,
            "no list of checksums beside the sweeps"
            if place.settings.objects.checksums
            else "objects.checksums is off",
        )
    return Gate(
        id_,
        claim,
        "files without a published SHA-256",
        len(bare),
        maximum=0,
        evidence=f"{files - len(bare)} of {files} files have theirs"
        + (f"; the first without: {bare[0]}" if bare else "")
        + lacking(place),
    )


def lacking(place: Place) -> str:
    """In words, what the survey lists and is not at hand; empty when all is, or the lists are not asked for."""
    names = sweeps.not_here(place.settings.survey.root) if place.settings.objects.checksums else []
    return f"; {len(names):,} listed and not here, the first: {names[0]}" if names else ""


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


def brick_gate(place: Place, names: Sequence[str]) -> Gate:
    """Whether BRICKID, of which keys are made, is that of the brick named in the same row, and the
    brick is where the row is.
    """
    id_, claim = "objects.bricks", "BRICKID, BRICKNAME and position of survey objects are those of one brick"
    found = _joined_bricks(
        [stores.read_table(_notes(place) / f"{sweeps.stem_of(name)}.bricks.parquet") for name in names]
    )
    if found.empty:
        return absent(id_, claim, "no survey object")
    try:
        known = place.survey.bricks()
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


def _notes(place: Place) -> Path:
    return place.plans / "objects" / "files"


def finish_import(place: Place, names: Sequence[str], ledgers: Sequence[Ledger]) -> dict[str, pd.DataFrame]:
    """What can be said of all files: the HATS metadata, keys that several files hold, the
    footprint, the ledger by file.
    """
    settings = place.settings.objects
    folder = place.path("objects") / "galaxies"
    margins = hats.rows_of(hats.margin_of(folder))
    rows = {"": sum(ledger.rows_out for ledger in ledgers), "margin": margins}
    hats.finish(folder, settings.partition_order, settings.margin_arcsec, rows, f"lenscal {lenscal.__version__}")
    notes = _notes(place)
    pixels = [stores.read_table(notes / f"{sweeps.stem_of(name)}.footprint.parquet") for name in names]
    whole = (
        pd.concat(pixels)
        if pixels
        else pd.DataFrame({"healpix_128": np.empty(0, np.int64), "rows": np.empty(0, np.int64)})
    )
    footprint = whole.groupby("healpix_128", as_index=False)["rows"].sum()
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


@dataclass(frozen=True)
class Targets:
    """Positions to be met by the survey, and how near is near [arcsec]."""

    table: pd.DataFrame
    radius: float


def meet(place: Place, targets: Sequence[Targets]) -> list[pd.DataFrame]:
    """For each set of targets, every survey object within its radius, leaf by leaf: at, galaxy_id,
    separation and conditions.

    All targets are in memory and each row of the survey is in one leaf, so no pair is lost at a border.
    """
    from lenscal import objects

    catalogue = place.galaxies
    around = hats.Around(
        np.concatenate([t.table["ra"].to_numpy(float) for t in targets]),
        np.concatenate([t.table["dec"].to_numpy(float) for t in targets]),
        max(t.radius for t in targets),
    )
    hits: list[list[pd.DataFrame]] = [[] for _ in targets]
    for part in catalogue.beside(around, _MEETING):
        for own, target in zip(hits, targets):
            own.append(objects.meet(target.table, part, target.radius))
    none = objects.meet(targets[0].table.iloc[:0], _no_rows(), 1.0)
    return [pd.concat([none, *own], ignore_index=True) if own else none for own in hits]


def _no_rows() -> pd.DataFrame:
    kinds = {name: schema.GALAXIES.variables[name].dtype for name in _MEETING}
    return pd.DataFrame({name: pd.Series(dtype="object" if kind == "str" else kind) for name, kind in kinds.items()})


def scan_leaf(place: Place, leaf: int, name: str) -> dict[str, str]:
    """What a leaf offers to the sample, noted beside the plan; the files of the note and their hashes."""
    from lenscal import manifest

    settings, catalogue = place.settings.manifest, place.galaxies
    needed = manifest.margin_needed(settings)
    if needed > place.settings.objects.margin_arcsec:
        raise stores.StoreError(
            f"manifest: neighbours are asked about up to {needed:g} arcsec, and the leaves of the catalogue "
            f"carry a rim of {place.settings.objects.margin_arcsec:g}; set objects.margin_arcsec to "
            f"{needed:g} or more and run objects again"
        )
    table, own = catalogue.read_with_rim(leaf, _scanned(place))
    seen = manifest.scan(
        table,
        place.positives,
        place.lenses,
        settings,
        place.settings.seed,
        core=np.arange(len(table)) < own,
        repeated=_is_listed(table, place.repeated),
        part=leaf,
    )
    offers = seen.offers.trimmed(place.reservoirs, place.settings.seed)
    folder = _scans(place)
    counts = {n: getattr(offers, n).tolist() for n in ("positives", "ordinary", "confusing", "classes")}
    note = {
        "rows_in": seen.rows_in,
        "steps": list(seen.steps.items()),
        "dropped": list(seen.dropped.items()),
        "candidates": offers.candidates,
        **counts,
    }
    rows, counted = folder / f"{name}.parquet", folder / f"{name}.json"
    return _below(place, {rows: stores.write_table(rows, offers.rows), counted: stores.write_json(counted, note)})


def _scans(place: Place) -> Path:
    return place.plans / "manifest" / "scans"


def _scanned(place: Place) -> tuple[str, ...]:
    """Columns that a scan of leaves reads; the file of a row only where some key is in several."""
    from lenscal.manifest import COLUMNS

    return COLUMNS if place.repeated.empty else (*COLUMNS, "sweep_file")


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


def scans(place: Place, names: Iterable[str]) -> Iterable[object]:
    """The scans of the leaves, one after the other."""
    import json

    from lenscal.manifest import Scan
    from lenscal.manifest.pools import Offers

    for name in names:
        note = json.loads((_scans(place) / f"{name}.json").read_text())
        counts = {n: np.array(note[n], np.int64) for n in ("positives", "ordinary", "confusing", "classes")}
        offers = Offers(stores.read_table(_scans(place) / f"{name}.parquet"), candidates=note["candidates"], **counts)
        yield Scan(note["rows_in"], dict(note["steps"]), dict(note["dropped"]), offers)


def gather(place: Place, rows: pd.DataFrame) -> pd.DataFrame:
    """Whole rows of the galaxies that `part` (leaf) and `row` point to, in the order given."""
    names = list(schema.GALAXIES.variables)
    order = np.lexsort((rows["row"], rows["part"]))
    leaves, places = rows["part"].to_numpy()[order], rows["row"].to_numpy()[order]
    starts = np.flatnonzero(np.diff(leaves, prepend=-1))
    parts = [
        place.galaxies.take(int(leaves[a]), places[a:b], names)
        for a, b in zip(starts, np.append(starts[1:], leaves.size))
    ]
    whole = schema.GALAXIES.cast_table(hats.joined(parts))
    back = np.empty(order.size, np.int64)
    back[order] = np.arange(order.size)
    return whole.iloc[back].reset_index(drop=True).drop(columns=hats.INDEX)


def calibrate(place: Place, share: float, rows: int) -> tuple[dict[str, dict[str, float]], pd.DataFrame, int]:
    """Cuts under which each class has a given number of members for each galaxy of the rule of
    N1, on a sample of leaves.

    Leaves are taken in the order of their hashes, which follows the seed, until they hold enough rows.
    """
    from lenscal.kernels import draws
    from lenscal.manifest import confusers, exclusion, pools

    settings = place.settings.manifest
    leaves = np.array(place.galaxies.leaves, np.int64)
    parts, seen = [], 0
    for leaf in leaves[np.argsort(draws.hashes(place.settings.seed, "calibration", leaves))]:
        table, own = place.galaxies.read_with_rim(int(leaf), _scanned(place))
        core = np.arange(len(table)) < own
        kept = ~_is_listed(table, place.repeated)
        table, core = table[kept].reset_index(drop=True), core[kept]
        low, high = settings.dec_range_degree
        inside = core & table["dec"].between(low, high, inclusive="neither").to_numpy()
        inside &= (table[[f"nobs_{band}" for band in schema.BANDS]] >= settings.nobs_min).all(axis=1).to_numpy()
        inside &= ~exclusion.near_lens(table, place.lenses, settings.exclusion_radius_arcsec)
        parts.append((table, inside))
        seen += int((inside & list(pools.ordinary(table, settings).values())[-1]).sum())
        if seen >= rows:
            break
    frozen, report = confusers.calibrated(parts, share, settings.confuser_cuts, of=seen)
    return frozen, report, seen
