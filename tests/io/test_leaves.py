"""The catalogue in leaves is the catalogue: nothing is lost at a border, and no partition,
order or number of files shows.
"""

import pathlib
import re

import healpy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from pyarrow import compute, dataset
from raw_skies import ARCSEC, raw_sky, settings_of, write_sweep

from lenscal import manifest, objects, schema
from lenscal.audit import Run, scanning
from lenscal.audit.stages import STAGES
from lenscal.gates import FAIL, PASS
from lenscal.io import hats, sweeps

BLEND = schema.CONFUSERS.index("blend_merger")


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Three sweep files, some rows in two of them, and 40 lenses on objects and 3 off them."""
    folder = tmp_path_factory.mktemp("sky")
    raw, pair = raw_sky()
    rng = np.random.default_rng(3)
    part = np.digitize(raw["RA"], [21.3, 22.9])
    names = ["sweep-020m005-021p005.fits", "sweep-021m005-022p005.fits", "sweep-022m005-025p005.fits"]
    for i, name in enumerate(names):
        rows = raw[part == i]
        again = raw[part == (i + 1) % 3].iloc[:20]
        write_sweep(folder / "survey" / "south" / "sweep" / "10.1" / name, pd.concat([rows, again]))
    on = raw[~pair].sample(40, random_state=1)
    lenses = pd.DataFrame(
        {
            "ra": [*on["RA"], 20.5, 60.0, 21.5],
            "dec": [*(on["DEC"] + 0.4 * ARCSEC), 0.0, 0.0, 1.0],
            "name": [f"DESI-{i}" for i in range(43)],
            "grade": rng.choice(["confirmed", "confident", "probable"], 43),
            "reference": "Huang (2021)",
        }
    )
    lenses.to_csv(folder / "lenses.csv", index=False)
    return folder, raw, pair


def made(settings, backwards=False):
    """Objects and manifest, block by block in this process, forwards or backwards."""
    place = Run(settings)
    gates = []
    for name in ("objects", "manifest"):
        blocks = STAGES[name].blocks(place)
        outcomes = {b.name: STAGES[name].work(place, b) for b in (blocks[::-1] if backwards else blocks)}
        gates += STAGES[name].finish(place, [outcomes[b.name] for b in blocks])[0]
    return place, gates


def content(place):
    files = sorted(p for part in ("manifest", "manifest-notes") for p in place.path(part).rglob("*.parquet"))
    return {str(p.relative_to(place.folder)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def whole(sky):
    return made(settings_of(sky[0], "whole"))


def test_the_sample_is_that_of_the_table_in_memory(sky, whole):
    place, _ = whole
    folder, _, _ = sky
    parts = [objects.galaxies(sweeps.read_sweep(p), p.name)[0] for p in sweeps.sweep_files(folder / "survey")]
    memory = manifest.build(
        pd.concat(parts),
        place.lenses,
        place.table("objects/matches.parquet"),
        place.table("objects/contaminants.parquet"),
        place.settings.manifest,
        5,
        {"pipeline_version": "x"},
    )
    for name in ("waterfall", "strata", "balance"):
        pd.testing.assert_frame_equal(
            getattr(memory, name), place.table(f"manifest-notes/{name}.parquet"), check_dtype=False
        )
    made_of = ["pipeline_version", "git_commit", "extraction_timestamp"]
    pd.testing.assert_frame_equal(memory.table.drop(columns=made_of), place.manifest.drop(columns=made_of))
    assert len(memory.table) > 400


@pytest.mark.parametrize(
    ("order", "chunk", "margin", "backwards"),
    [(5, 1024, 20.0, True), (3, 262144, 20.0, False), (6, 1500, 20.0, False), (5, 2000, 90.0, False)],
)
def test_no_partition_chunk_margin_or_order_of_files_shows_in_the_sample(sky, whole, order, chunk, margin, backwards):
    settings = settings_of(
        sky[0], f"other-{order}-{chunk}", order=order, chunk=chunk, objects={"margin_arcsec": margin}
    )
    place, _ = made(settings, backwards)
    assert content(place) == content(whole[0])


def test_every_gate_of_rows_holds_and_repeated_keys_are_counted(whole):
    place, gates = whole
    assert not [g for g in gates if g.id.startswith("rows.") and g.verdict != PASS]
    assert len(place.repeated) == 60
    steps = place.table("manifest-notes/waterfall.parquet").set_index("step")["rows"]
    assert steps["galaxies"] - steps["each key once"] == 60
    by_file = place.table("objects/files.parquet").pivot_table(
        index="sweep_file", columns="what", values="rows", fill_value=0
    )
    assert (by_file["in"] == by_file.drop(columns="in").sum(axis=1)).all()


def bits_of(place, names):
    rows = pd.concat([s.offers.rows for s in scanning.scans(place, names)])
    return rows.set_index("galaxy_id")["bits"]


def test_a_pair_astride_a_border_is_seen_from_both_sides(sky, whole):
    place = Run(whole[0].settings)
    _, raw, pair = sky
    objid, brickid, release = (raw[name].to_numpy("i8") for name in ("OBJID", "BRICKID", "RELEASE"))
    enough = (raw[["NOBS_G", "NOBS_R", "NOBS_Z"]] >= 3).all(axis=1).to_numpy()
    ids = (objid | brickid << 22 | release << 42)[pair & enough]
    names = [b.name for b in STAGES["manifest"].blocks(place)]
    place.__dict__["reservoirs"] = place.reservoirs + 10**6  # nothing is trimmed away
    for block in STAGES["manifest"].blocks(place):
        scanning.scan_leaf(place, block.part["leaf"], block.name)
    bits = bits_of(place, names).reindex(ids)
    assert (bits.to_numpy() >> BLEND & 1).all()
    # The test could fail: without the rims, these are the pairs that are lost.
    found = 0
    for leaf in place.galaxies.leaves:
        own = place.galaxies.read(leaf, manifest.COLUMNS)
        alone = manifest.scan(own, place.positives, place.lenses, place.settings.manifest, 5).offers.rows.set_index(
            "galaxy_id"
        )["bits"]
        alone = alone[~alone.index.duplicated()]
        found += int((alone.reindex(ids).fillna(0).to_numpy(int) >> BLEND & 1).sum())
    assert found < 0.1 * ids.size


@pytest.mark.parametrize("margin", [2.0, 20.0, 100.0])
@pytest.mark.parametrize("order", [2, 5])
def test_rims_hold_every_row_within_the_margin_of_another_leaf(order, margin):
    rng = np.random.default_rng(int(margin) + order)
    ra = np.concatenate([rng.uniform(0, 360, 1_000_000), rng.uniform(0, 360, 200_000)])
    dec = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 1_000_000))), 90 - 2 * rng.random(200_000)])
    step = margin * ARCSEC * rng.random(ra.size) ** 0.2
    angle = 2 * np.pi * rng.random(ra.size)
    dec_2 = np.clip(dec + step * np.sin(angle), -90, 90)
    ra_2 = (ra + step * np.cos(angle) / np.maximum(np.cos(np.radians(dec)), 1e-9)) % 360
    near = np.degrees(2 * np.arcsin(np.sqrt(np.clip(_haversine(ra, dec, ra_2, dec_2), 0, 1)))) <= margin * ARCSEC
    one, two = (healpy.ang2pix(1 << order, *p, nest=True, lonlat=True) for p in ((ra, dec), (ra_2, dec_2)))
    crossing = np.flatnonzero((one != two) & near)
    assert crossing.size > 10
    index = healpy.ang2pix(1 << 29, ra, dec, nest=True, lonlat=True)
    held = set()
    for rows, leaves in hats.rims(index, order, margin):
        held |= set(zip(rows.tolist(), leaves.tolist()))
    assert not [i for i in crossing if (i, two[i]) not in held]


def _haversine(ra_1, dec_1, ra_2, dec_2):
    a, b = np.radians(dec_1), np.radians(dec_2)
    return np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(ra_2 - ra_1) / 2) ** 2


def test_a_number_that_is_not_known_is_nan_and_no_row_is_lost_for_it(sky, whole):
    table = whole[0].galaxies.where(["flux_g", "mag_g", "colour_gr"], lambda t: np.ones(len(t), bool))
    assert len(table) == len(sky[1]) + 60
    assert (table["flux_g"] < 0).sum() > 50
    np.testing.assert_array_equal(table["mag_g"].isna(), table["flux_g"] < 0)
    np.testing.assert_array_equal(table["colour_gr"].isna(), table["flux_g"] < 0)


def test_stars_about_galaxies_are_those_of_the_whole_catalogue(whole):
    place, _ = whole
    stars = place.galaxies.where(
        ["ra", "dec", "gaia_phot_g_mean_mag"],
        lambda t: t["gaia_phot_g_mean_mag"].between(0, 16, inclusive="neither").to_numpy(),
    )
    some = place.galaxies.where(["ra", "dec"], lambda t: np.arange(len(t)) % 997 == 0).iloc[:6]
    assert len(stars) > 100
    for radius in (20.0, 900.0):
        for rows in (some, some.iloc[:1], pd.concat([some, some.iloc[:1] * np.nan])):
            found = place.stars(rows["ra"].to_numpy(), rows["dec"].to_numpy(), radius)
            away = (
                np.degrees(
                    2
                    * np.arcsin(
                        np.sqrt(
                            _haversine(
                                *(stars[c].to_numpy()[:, None] for c in ("ra", "dec")),
                                *(rows[c].to_numpy() for c in ("ra", "dec")),
                            )
                        )
                    )
                )
                * 3600
            )
            near = stars[(away <= radius).any(axis=1)]
            assert (
                set(near.itertuples(index=False, name=None))
                <= set(found.itertuples(index=False, name=None))
                <= set(stars.itertuples(index=False, name=None))
            )
    assert len(found) < len(stars), "parts of the sky without galaxies are not read"
    assert place.stars(np.array([np.nan]), np.array([np.nan]), 900.0).empty


def test_coarser_pixels_are_those_of_healpy(whole):
    table = whole[0].galaxies.where(["ra", "dec", "healpix_64", "healpix_128"], lambda t: np.ones(len(t), bool))
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))
    fine = healpy.ang2pix(1 << 29, ra, dec, nest=True, lonlat=True)
    for nside in (64, 128):
        np.testing.assert_array_equal(
            table[f"healpix_{nside}"], healpy.ang2pix(nside, table["ra"], table["dec"], nest=True, lonlat=True)
        )
        np.testing.assert_array_equal(
            fine >> 2 * (29 - int(np.log2(nside))), healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True)
        )


def test_matches_over_leaves_are_those_of_the_table_in_memory(sky, whole):
    place, _ = whole
    table = place.galaxies.where(["galaxy_id", "ra", "dec"], lambda t: np.ones(len(t), bool))
    memory = objects.match_lenses(place.lenses, table, 5.0)
    pd.testing.assert_frame_equal(memory, place.table("objects/matches.parquet"))
    assert memory["reason"].value_counts().to_dict() == {
        "matched": 40,
        "no object within radius": 2,
        "outside the footprint": 1,
    }
    near = place.table("objects/neighbours.parquet")
    assert (
        near.groupby("lens_id").size().to_dict()
        == memory[memory["n_within"] > 0].set_index("lens_id")["n_within"].to_dict()
    )
    first = near[near["rank"] == 1].set_index("lens_id")["galaxy_id"]
    assert first.equals(memory[memory["galaxy_id"] >= 0].set_index("lens_id")["galaxy_id"])


def test_a_key_twice_in_one_file_goes_once_whatever_the_chunk(tmp_path, sky):
    raw = sky[1].iloc[:3000]
    for chunk in (1024, 262144):
        folder = tmp_path / str(chunk)
        write_sweep(folder / "survey" / "sweep-020m005-025p005.fits", pd.concat([raw, raw.iloc[::100]]))
        (folder / "lenses.csv").write_text((sky[0] / "lenses.csv").read_text())
        place = Run(settings_of(folder, "run", chunk=chunk))
        block = STAGES["objects"].blocks(place)[0]
        ledger = STAGES["objects"].work(place, block).ledger
        assert (ledger.rows_in, ledger.rows_out, ledger.missing) == (3030, 3000, 0)
        assert ledger.dropped == {objects.TWICE: 30}


def test_depths_are_inverse_variances_in_every_chunk_of_a_file_that_says_so_once(tmp_path, sky):
    raw = sky[1].iloc[:3000].copy()
    for name in objects.DEPTHS:
        raw[name] = np.where(np.arange(3000) < 2500, 30.0 if name.startswith("PSF") else 20.0, raw[name]).astype("f4")
    write_sweep(tmp_path / "survey" / "sweep-020m005-025p005.fits", raw)
    (tmp_path / "lenses.csv").write_text((sky[0] / "lenses.csv").read_text())
    place = Run(settings_of(tmp_path, "run", chunk=1024))
    made_of = STAGES["objects"]
    made_of.finish(place, [made_of.work(place, b) for b in made_of.blocks(place)])
    depth = place.galaxies.where(["psfdepth_r"], lambda t: np.ones(len(t), bool))["psfdepth_r"]
    assert sorted(depth.round(2).unique()) == pytest.approx([22.60, 24.50], abs=0.01)


def test_a_narrow_rim_is_refused_with_what_is_needed(sky):
    place = Run(settings_of(sky[0], "whole", objects={"margin_arcsec": 4.0}))
    with pytest.raises(Exception, match=r"up to 15\.5 arcsec.*rim of 4.*set objects\.margin_arcsec"):
        scanning.scan_leaf(place, place.galaxies.leaves[0], "x")


def test_a_writer_that_fails_leaves_no_leaf_behind(tmp_path, sky):
    table, _ = objects.galaxies(sweeps.read_sweep(sweeps.sweep_files(sky[0] / "survey")[0]), "f")

    def broken():
        with hats.Writer(tmp_path / "galaxies", "f", 5, 20.0) as writer:
            writer.add(table)
            for key in [*writer._waiting]:
                writer._flush(key)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.filterwarnings("ignore")
def test_lsdb_opens_the_catalogue_with_its_margin(whole):
    lsdb = pytest.importorskip("lsdb")
    place, _ = whole
    folder = place.path("objects") / "galaxies"
    opened = lsdb.open_catalog(folder, margin_cache=hats.margin_of(folder))
    assert len(opened) == place.galaxies.where(["ra"], lambda t: np.ones(len(t), bool)).shape[0]
    near = opened.cone_search(ra=21.0, dec=0.0, radius_arcsec=1800).compute()
    table = place.galaxies.where(["galaxy_id", "ra", "dec"], lambda t: np.ones(len(t), bool))
    inside = _haversine(table["ra"], table["dec"], 21.0, 0.0) <= np.sin(np.radians(0.25)) ** 2
    assert sorted(near["galaxy_id"]) == sorted(table.loc[inside, "galaxy_id"])


def test_hats_finds_the_layout_valid(whole):
    validation = pytest.importorskip("hats.io.validation")
    for folder in (whole[0].path("objects") / "galaxies", whole[0].path("objects") / "galaxies_margin"):
        assert validation.is_valid_catalog(folder, strict=True, verbose=True)


def test_no_temporary_file_is_left(whole):
    assert not list(whole[0].folder.rglob("*.tmp"))


def test_a_number_that_is_not_known_is_null_in_the_leaves_as_in_every_other_table(sky, whole):
    place, _ = whole
    leaves = dataset.dataset(
        place.path("objects") / "galaxies" / "dataset", format="parquet", exclude_invalid_files=True
    )
    known = place.galaxies.where(["mag_g", "mag_r", "colour_gr"], lambda t: np.ones(len(t), bool))
    assert known["mag_g"].isna().sum() > 50
    for name in ("mag_g", "mag_r", "colour_gr"):
        column = leaves.to_table(columns=[name])[name]
        assert column.null_count == known[name].isna().sum()
        assert compute.mean(column).as_py() == pytest.approx(known[name].mean(), rel=1e-5)
    for file in pathlib.Path(place.path("objects") / "galaxies").rglob("*.parquet"):
        table = pq.read_table(file)
        for name, kind in zip(table.column_names, table.schema.types):
            if pa.types.is_floating(kind):
                assert not np.isnan(table[name].drop_null().to_numpy()).any(), name


def bricks_of(folder, raw):
    """A table of bricks that is right of every row of a sky."""
    ids = np.unique(raw["BRICKID"])
    table = Table(
        {
            "BRICKNAME": [f"b{i:06d}" for i in ids],
            "BRICKID": ids,
            **{n: raw.groupby("BRICKID")[n].first().loc[ids].to_numpy() for n in ("RA", "DEC")},
        }
    )
    (folder / "survey").mkdir()
    table.write(folder / "survey" / "survey-bricks.fits.gz")


def kept(raw):
    return raw.assign(BRICKNAME=[f"b{i:06d}" for i in raw["BRICKID"]])


BRICKS = {
    "right": (lambda t: t, PASS, "8 bricks|bricks, 600 rows"),
    "another BRICKID": (
        lambda t: t.assign(BRICKID=np.where(np.arange(len(t)) < 3, t["BRICKID"].iloc[-1], t["BRICKID"]).astype("i4")),
        FAIL,
        "3 with the BRICKID of another brick",
    ),
    "all BRICKID shifted": (
        lambda t: t.assign(BRICKID=(t["BRICKID"] + 1).astype("i4")),
        FAIL,
        "600 with the BRICKID of another brick",
    ),
    "a name that is not listed": (
        lambda t: t.assign(BRICKNAME=np.where(np.arange(len(t)) < 3, "x", t["BRICKNAME"])),
        FAIL,
        "3 in a brick that is not listed",
    ),
    "hours": (lambda t: t.assign(RA=t["RA"] / 15), FAIL, "600 away from their brick"),
    "radians": (
        lambda t: t.assign(RA=np.deg2rad(t["RA"]), DEC=np.deg2rad(t["DEC"])),
        FAIL,
        "600 away from their brick",
    ),
    "RA and Dec swapped": (lambda t: t.assign(RA=np.abs(t["DEC"]), DEC=t["RA"]), FAIL, "600 away from their brick"),
}


@pytest.mark.parametrize("case", BRICKS)
def test_the_brickid_of_every_row_is_held_against_the_table_of_bricks(tmp_path, case):
    change, verdict, evidence = BRICKS[case]
    raw = kept(raw_sky()[0].iloc[:600].reset_index(drop=True))
    raw["OBJID"] = np.arange(600, dtype="i4")
    bricks_of(tmp_path, raw)
    raw = change(raw)
    write_sweep(
        tmp_path / "survey/south/sweep/10.1/sweep-020m005-025p005.fits",
        raw.assign(BRICKNAME=raw["BRICKNAME"].astype(object), TYPE=raw["TYPE"].astype(object)),
    )
    (tmp_path / "lenses.csv").write_text("ra,dec,name,grade,reference\n20.5,0.1,a,probable,x\n")
    place, stage = Run(settings_of(tmp_path, "run")), STAGES["objects"]
    gates, _, _ = stage.finish(place, [stage.work(place, block) for block in stage.blocks(place)])
    found = next(gate for gate in gates if gate.id == "objects.bricks")
    assert (found.verdict, found.critical) == (verdict, True)
    assert re.search(evidence, found.evidence)


SPOILT = {"positions": ("RA", 999.0), "keys": ("OBJID", -1), "transmissions": ("MW_TRANSMISSION_R", 1.7)}


@pytest.mark.parametrize("case", SPOILT)
def test_a_sweep_that_loses_many_rows_fails_a_critical_gate(tmp_path, case):
    column, value = SPOILT[case]
    raw = raw_sky()[0].iloc[:600].reset_index(drop=True)
    for share, verdict in ((0.02, PASS), (0.5, FAIL)):
        folder = tmp_path / f"{share}"
        table = raw.copy()
        table.loc[: int(600 * share), column] = value
        write_sweep(folder / "survey/south/sweep/10.1/sweep-020m005-025p005.fits", table)
        (folder / "lenses.csv").write_text("ra,dec,name,grade,reference\n20.5,0.1,a,probable,x\n")
        place, stage = Run(settings_of(folder, "run")), STAGES["objects"]
        gates, _, _ = stage.finish(place, [stage.work(place, block) for block in stage.blocks(place)])
        found = next(gate for gate in gates if gate.id == "objects.usable")
        assert (found.verdict, found.critical) == (verdict, True)
