"""The sample is what it says: pools apart, splits on the sky, quotas kept or reported, no lens among the negatives."""

import itertools

import healpy
import numpy as np
import pandas as pd
import pytest

from lenscal import config, healpix, manifest, objects, schema
from lenscal.gates import FAIL, NOT_JUDGED, PASS
from lenscal.io import sweeps
from lenscal.kernels import matching
from lenscal.manifest import (
    class_cuts,
    class_sky,
    confusers,
    drawing,
    excerpt,
    exclusion,
    labels,
    overlaps,
    pools,
    splits,
)

SEED = 7
PROVENANCE = {"pipeline_version": "1", "git_commit": "abc", "extraction_timestamp": "2026-01-01T00:00:00Z"}
# What no class takes: a faint, small, lonely, well-fitted galaxy. A magnitude of 20.6 is 5.75 nanomaggy.
PLAIN = {
    "release": 10000,
    "brickid": 1,
    "brickname": "0000p000",
    "type": "REX",
    "flux_g": 2.0,
    "flux_r": 5.0,
    "flux_z": 12.0,
    "flux_w1": 20.0,
    "flux_ivar_g": 500.0,
    "flux_ivar_r": 300.0,
    "flux_ivar_z": 80.0,
    "nobs_g": 4,
    "nobs_r": 4,
    "nobs_z": 4,
    "psfsize_g": 1.4,
    "psfsize_r": 1.3,
    "psfsize_z": 1.2,
    "psfdepth_g": 24.7,
    "psfdepth_r": 24.2,
    "psfdepth_z": 23.3,
    "galdepth_g": 24.4,
    "galdepth_r": 23.9,
    "galdepth_z": 23.0,
    "ebv": 0.02,
    "maskbits": 0,
    "fitbits": 0,
    "mw_transmission_g": 0.95,
    "mw_transmission_r": 0.97,
    "mw_transmission_z": 0.98,
    "shape_r": 0.5,
    "shape_r_ivar": 1e4,
    "shape_e1": 0.0,
    "shape_e2": 0.0,
    "sersic": 1.0,
    "rchisq_g": 1.0,
    "rchisq_r": 1.0,
    "rchisq_z": 1.0,
    "fracflux_g": 0.0,
    "fracflux_r": 0.0,
    "fracflux_z": 0.0,
    "fracin_g": 1.0,
    "fracin_r": 1.0,
    "fracin_z": 1.0,
    "fiberflux_r": 3.0,
    "fibertotflux_r": 3.0,
    "fiberflux_z": 6.0,
    "gaia_phot_g_mean_mag": 0.0,
    "sweep_file": "sweep.fits",
}
BRIGHT = {"flux_g": 12.0, "flux_r": 40.0, "flux_z": 80.0}  # r = 18.5, g - r = 1.3
BLUE = {"flux_g": 30.0, "flux_r": 40.0, "flux_z": 45.0}  # g - r = 0.3


def table_of(rows):
    """Galaxies with the given values, plain in all else; one degree apart where no position is given."""
    table = pd.DataFrame([{**PLAIN, "ra": 10.0 + i, "dec": 5.0, "objid": i + 1, **row} for i, row in enumerate(rows)])
    objid, brickid, release = (table[n].to_numpy("i8") for n in ("objid", "brickid", "release"))
    table["galaxy_id"] = objid | brickid << 22 | release << 42
    for band in "grz":
        table[f"mag_{band}"] = objects.magnitude(table[f"flux_{band}"].to_numpy("f4"))
    table["colour_gr"] = objects.magnitude((table.flux_g / 0.95).to_numpy()) - objects.magnitude(
        (table.flux_r / 0.97).to_numpy()
    )
    table["colour_rz"], table["colour_zw1"] = 1.0, 1.0
    for nside in (64, 128):
        table[f"healpix_{nside}"] = healpix.pixels_of(table["ra"], table["dec"], nside)
    table["row_index"] = np.arange(len(table))
    return schema.GALAXIES.check_table(schema.GALAXIES.cast_table(table))


def lenses_of(ra, dec, tier="B", catalogue="tests"):
    raw = pd.DataFrame(
        {"ra": ra, "dec": dec, "name": [f"DESI-{i}" for i in range(len(ra))], "reference": "Huang (2021)"}
    )
    raw["grade"] = (
        {"literature": "confirmed", "A": "confident", "B": "probable"}[tier] if isinstance(tier, str) else tier
    )
    table, _ = objects.lens_table(raw, config.LensCatalogue(name=catalogue, source="x", format="csv"))
    return table


def merged(*tables):
    return objects.merge_lenses(tables, 2.0, SEED, (0.7, 0.15, 0.15))[0]


NO_CONTAMINANTS = pd.DataFrame(
    {n: pd.Series(dtype="str" if v.dtype == "str" else v.dtype) for n, v in schema.CONTAMINANTS.variables.items()}
)


@pytest.fixture(scope="module")
def sky():
    """Some 16,000 objects on 30 square degrees, confusers among them, and 60 lenses of which 55 sit on an object."""
    rng = np.random.default_rng(1)
    n = 16000
    kinds = rng.choice(
        ["plain", "edge", "face", "blue", "blend", "core", "residual", "star"],
        n,
        p=[0.62, 0.06, 0.06, 0.05, 0.06, 0.05, 0.05, 0.05],
    )
    changes = {
        "plain": {},
        "edge": {**BRIGHT, "type": "SER", "shape_r": 2.0, "shape_e1": 0.6},
        "face": {**BRIGHT, "type": "EXP", "shape_r": 2.0, "flux_g": 25.0},
        "blue": {**BLUE, "type": "SER", "sersic": 3.0, "shape_r": 1.2, "rchisq_g": 1.4},
        "blend": {"flux_r": 8.0, "fracflux_r": 0.5},
        "core": {**BRIGHT, "type": "DEV", "sersic": 4.0, "fibertotflux_r": 3.3},
        "residual": {**BRIGHT, "type": "SER", "sersic": 5.0, "shape_r": 1.5, "rchisq_r": 2.0},
        "star": {"type": "PSF", "shape_r": 0.0, "maskbits": 1 << schema.MASKBITS["MEDIUM"]},
    }
    ra, dec = 20 + 6 * rng.random(n), 5 * rng.random(n)
    rows = [
        {**changes[k], "ra": r, "dec": d, "nobs_z": int(z), "brickid": 1 + i % 50}
        for i, (k, r, d, z) in enumerate(zip(kinds, ra, dec, rng.choice([3, 4, 7], n)))
    ]
    table = table_of(rows)
    table["type"] = table["type"].mask(rng.random(n) < 0.4 * (kinds == "plain"), "SER")
    on = table.iloc[rng.choice(n, 55, replace=False)]
    grades = rng.choice(["confirmed", "confident", "probable"], 60)
    lenses = lenses_of([*on["ra"], *np.linspace(100, 110, 5)], [*on["dec"] + 0.3 / 3600, *np.zeros(5)], grades)
    lenses = merged(lenses)
    return table, lenses, objects.match_lenses(lenses, table, 5.0)


SETTINGS = config.Manifest(negatives_per_positive=40, shortfall_max=0.4)


@pytest.fixture(scope="module")
def built(sky):
    table, lenses, matches = sky
    return manifest.build(table, lenses, matches, NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE)


def verdict(gates, id_):
    return next(g for g in gates if g.id == id_)


def test_every_gate_passes_on_the_sky_and_none_is_missing(built):
    verdicts = {g.id: g.verdict for g in built.gates}
    assert {i for i, v in verdicts.items() if v == FAIL} == set()
    assert {
        "manifest.rows",
        "1A.3",
        "1A.4",
        "1A.7",
        "X.1",
        "X.2",
        "manifest.anchors",
        "manifest.training",
        "1B.3",
        "1B.4",
        "2.5",
    } <= set(verdicts)


def test_rows_in_are_rows_out_plus_rows_dropped(built):
    assert built.ledger.missing == 0
    assert built.ledger.rows_in == 16000


@pytest.mark.parametrize("parts", [1, 5])
def test_manifest_is_the_same_bytes_whatever_the_order_and_partition(sky, built, parts):
    table, lenses, matches = sky
    shuffled = table.sample(frac=1, random_state=parts)
    pieces = np.array_split(np.arange(len(shuffled)), parts)
    again = pd.concat([shuffled.iloc[p] for p in reversed(pieces)])
    other = manifest.build(
        again,
        lenses.sample(frac=1, random_state=2),
        matches.sample(frac=1, random_state=3),
        NO_CONTAMINANTS,
        SETTINGS,
        SEED,
        PROVENANCE,
    )
    for name in ("table", "waterfall", "strata", "balance"):
        pd.testing.assert_frame_equal(getattr(other, name), getattr(built, name), check_exact=True)
    assert pd.util.hash_pandas_object(other.table).sum() == pd.util.hash_pandas_object(built.table).sum()


def test_another_seed_draws_other_negatives(sky, built):
    table, lenses, matches = sky
    other = manifest.build(table, lenses, matches, NO_CONTAMINANTS, SETTINGS, SEED + 1, PROVENANCE)
    assert set(other.table.galaxy_id) != set(built.table.galaxy_id)
    assert other.table["pool"].value_counts().to_dict() == built.table["pool"].value_counts().to_dict()


def test_negatives_are_eighty_five_to_fifteen_and_as_many_as_wanted(built):
    counts = built.table["pool"].value_counts()
    assert counts["N1"] / (counts["N1"] + counts["N2"]) == pytest.approx(0.85, abs=1e-3)
    assert (built.strata["n1"] + built.strata["n2"] + built.strata["shortfall"] == built.strata["wanted"]).all()
    drawn = built.table[built.table.label == 0].groupby(["nobs_z_bin", "type_bin"]).size()
    for row in built.strata[built.strata.wanted > 0].itertuples():
        assert drawn.get((row.nobs_z_bin, row.type_bin), 0) == row.n1 + row.n2


def test_types_that_n1_leaves_out_are_filled_from_n2(built):
    outside = built.strata[built.strata["type_bin"].isin(["EXP", "PSF"]) & (built.strata["wanted"] > 0)]
    assert len(outside)
    assert (outside["n1"] == 0).all()
    assert (outside["n2"] > 0).all()


def test_every_class_of_n2_is_drawn_and_every_row_belongs_to_its_class(built):
    confusing = built.table[built.table["pool"] == "N2"]
    assert set(confusing["confuser_class"]) == set(schema.CONFUSERS)
    bit = confusing["confuser_class"].map(schema.CONFUSERS.index).to_numpy()
    assert ((confusing["confuser"].to_numpy() >> bit) & 1).all()
    assert (built.table.loc[built.table["pool"] != "N2", "confuser_class"] == "").all()


def test_n1_follows_its_rule_and_keeps_confusers_in_it(built):
    ordinary = built.table[built.table["pool"] == "N1"]
    assert set(ordinary["type"]) <= {"SER", "DEV", "REX"}
    assert (ordinary["mag_z"] < 20).all()
    assert (ordinary[["nobs_g", "nobs_r", "nobs_z"]] >= 3).all(axis=None)
    assert (ordinary["confuser"] > 0).any()


def test_hosts_are_ordinary_galaxies_outside_the_training_split(built):
    hosts = built.table[built.table["host"]]
    assert len(hosts)
    assert set(hosts["pool"]) == {"N1"}
    assert set(hosts["split"]) <= {"val", "test"}


def test_colour_and_magnitude_cuts_choose_among_the_hosts(built):
    cut = SETTINGS.model_copy(update={"host_colour_gr_min": 0.8, "host_mag_r_max": 19.0})
    chosen = built.table[labels.hosts(built.table, cut)]
    assert 0 < len(chosen) < built.table["host"].sum()
    assert (chosen["colour_gr"] >= 0.8).all()
    assert (chosen["mag_r"] <= 19.0).all()


def test_training_and_anchors_share_no_galaxy_no_split_and_no_tier(built):
    positives = built.table[built.table["label"] == 1]
    train, anchor = positives[positives["role"] == "train"], positives[positives["role"] == "anchor"]
    assert len(train)
    assert len(anchor)
    assert set(train["split"]) == {"train"}
    assert "literature" not in set(train["tier"])
    assert "train" not in set(anchor["split"])
    assert not set(train["galaxy_id"]) & set(anchor["galaxy_id"])


def test_tiers_carry_their_weights_and_targets(built):
    assert built.table.groupby("tier")["weight"].first().to_dict() == pytest.approx(
        {"": 1.0, "literature": 1.0, "A": 0.95, "B": 0.5}
    )
    smooth = SETTINGS.model_copy(update={"tier_targets": {"literature": 1.0, "A": 1.0, "B": 0.8}})
    targets = labels.label(built.table, smooth).groupby("tier")["target"].first().to_dict()
    assert targets == {"": 0.0, "literature": 1.0, "A": 1.0, "B": 0.8}


def test_a_training_lens_across_the_border_from_an_anchor_has_no_role():
    table = pd.DataFrame(
        {"ra": [1.0, 1.0 + 5 / 3600, 3.0], "dec": 0.0, "label": 1, "role": ["anchor", "train", "train"]}
    )
    assert labels.keep_apart(table, 11.0)["role"].tolist() == ["anchor", "none", "train"]


# Classes: (row changes that reach the class, further changes that leave it)
WITNESSES = {
    "edge_on": ({**BRIGHT, "type": "SER", "shape_r": 1.0, "shape_e1": 0.3, "shape_e2": 0.4}, {"shape_e2": 0.3}),
    "face_on_disk": ({**BRIGHT, "type": "EXP", "shape_r": 1.5, "flux_g": 25.0}, {"flux_g": 12.0}),
    "blue_clumpy": ({**BLUE, "type": "SER", "shape_r": 1.0, "rchisq_g": 1.2}, {"rchisq_g": 1.1}),
    "blend_merger": ({"flux_r": 8.0, "fracin_r": 0.7}, {"flux_r": 5.0}),
    "bright_core_companion": (
        {**BRIGHT, "type": "SER", "sersic": 3.0, "fitbits": 8, "fibertotflux_r": 3.2},
        {"fitbits": 4},
    ),
    "residual_structure": ({**BRIGHT, "shape_r": 1.0, "rchisq_r": 1.5}, {"shape_r": 0.9}),
    "psf_halo": ({"maskbits": 1 << 11}, {"maskbits": 1 << 11 | 1 << 1}),
}


@pytest.mark.parametrize("name", schema.CONFUSERS)
def test_class_is_reached_by_its_witness_and_left_by_another(name):
    reach, leave = WITNESSES[name]
    bits = confusers.classify(table_of([reach, {**reach, **leave}, {}]))
    assert [(b >> schema.CONFUSERS.index(name)) & 1 for b in bits] == [1, 0, 0]
    assert bits[2] == 0


@pytest.mark.parametrize("name", schema.CONFUSERS)
def test_class_comes_out_of_a_whole_build(sky, name):
    table, lenses, matches = sky
    reach, _ = WITNESSES[name]
    witness = table_of([{**reach, "ra": 27.5, "dec": 5.0, "brickid": 999}])
    whole = pd.concat([table, witness], ignore_index=True)
    counted = [
        manifest.build(t, lenses, matches, NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE).waterfall.set_index("step")[
            "rows"
        ]
        for t in (table, whole)
    ]
    assert counted[1][f"N2 class: {name}"] == counted[0][f"N2 class: {name}"] + 1


def test_neighbours_make_blends_companions_and_stars_beside_galaxies():
    star = {"type": "PSF", "gaia_phot_g_mean_mag": 16.0, "shape_r": 0.0}
    rows = [
        {**BRIGHT, "ra": 10.0, "dec": 0.0},
        {**BRIGHT, "ra": 10.0 + 5 / 3600, "dec": 0.0},  # two alike at 5 arcsec
        {**BRIGHT, "type": "DEV", "sersic": 4.0, "ra": 20.0, "dec": 0.0},
        {"flux_r": 1.0, "ra": 20.0, "dec": 3 / 3600},
        {**BRIGHT, "type": "DEV", "sersic": 4.0, "ra": 25.0, "dec": 0.0},
        {"flux_r": 1.0, "ra": 25.0, "dec": 1 / 3600},
        {**star, "ra": 30.0, "dec": 0.0},
        {"ra": 30.0, "dec": 10 / 3600},
        {**star, "ra": 40.0, "dec": 0.0},
        {"ra": 40.0, "dec": 4 / 3600},
        {**star, "ra": 50.0, "dec": 0.0},
        {**star, "ra": 50.0, "dec": 10 / 3600},
    ]
    bits = confusers.classify(table_of(rows))
    names = [{n for i, n in enumerate(schema.CONFUSERS) if b >> i & 1} for b in bits]
    blend, core, halo = {"blend_merger"}, {"bright_core_companion"}, {"psf_halo"}
    assert names == [blend, blend, core, set(), set(), set(), halo, set(), set(), set(), set(), set()]


def test_asking_only_the_rows_that_may_belong_loses_no_member(sky):
    table, _, _ = sky
    chosen = confusers.cuts({"face_on_disk": {"r_max": 21.5}})
    with np.errstate(invalid="ignore"):
        slow = sum(
            1 << bit & -item.member(class_sky.Sky(table), chosen[item.name]).astype(np.int32)
            for bit, item in enumerate(confusers.CLASSES)
        )
    assert (np.bincount(slow)[1:] > 0).sum() > 5
    np.testing.assert_array_equal(confusers.classify(table, {"face_on_disk": {"r_max": 21.5}}), slow)


def test_a_row_that_does_not_count_is_of_no_class_and_nobodys_neighbour(sky):
    table, _, _ = sky
    there = np.random.default_rng(4).random(len(table)) < 0.7
    bits = confusers.classify(table, there=there)
    assert not bits[~there].any()
    np.testing.assert_array_equal(bits[there], confusers.classify(table[there].reset_index(drop=True)))
    pair = table_of([{**BRIGHT, "ra": 10.0}, {"ra": 10.0 + 4 / 3600, "flux_r": 20.0}])
    assert [int(confusers.classify(pair, there=np.array(t))[0]) for t in ([True, True], [True, False])] == [
        1 << schema.CONFUSERS.index("blend_merger"),
        0,
    ]


def test_a_class_is_multi_label():
    bits = confusers.classify(
        table_of([{**BRIGHT, "type": "SER", "shape_r": 2.0, "shape_e1": 0.6, "fracflux_r": 0.3, "rchisq_r": 2.0}])
    )
    assert {n for i, n in enumerate(schema.CONFUSERS) if bits[0] >> i & 1} == {
        "edge_on",
        "blend_merger",
        "residual_structure",
    }


def test_unknown_values_reach_no_class():
    row = dict.fromkeys(
        ("flux_r", "shape_r", "shape_e1", "rchisq_r", "fracflux_r", "fracin_r", "mw_transmission_r"), np.nan
    )
    assert confusers.classify(table_of([row, {"flux_r": -1.0}, {"mw_transmission_r": 0.0}])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("item", confusers.CLASSES, ids=lambda item: item.name)
def test_a_missing_column_is_an_error_that_names_the_class(item):
    for column in set(item.columns) - {"ra", "dec"}:
        with pytest.raises(confusers.ClassError, match=f"'{item.name}' needs .*{column}"):
            confusers.classify(table_of([{}]).drop(columns=column))


@pytest.mark.parametrize("item", confusers.CLASSES, ids=lambda item: item.name)
def test_a_class_reads_no_column_that_it_does_not_declare(item):
    table = table_of([{**WITNESSES[item.name][0]}, {}])
    sky = class_sky.Sky(table[list(item.columns)])
    assert item.member(sky, item.cuts).tolist() == [True, False]


def test_classes_are_in_the_order_of_their_bits():
    assert tuple(item.name for item in confusers.CLASSES) == schema.CONFUSERS


def test_cuts_of_a_run_file_move_a_class_and_unknown_cuts_are_refused():
    table = table_of([WITNESSES["edge_on"][0]])
    assert confusers.classify(table, {"edge_on": {"shape_r_min": 1.1}})[0] & 1 == 0
    with pytest.raises(confusers.ClassError, match="edge_on names"):
        confusers.classify(table, {"edge_on": {"size": 1.1}})


def test_every_lever_is_a_cut_of_its_class_and_a_stricter_one_holds_no_more(sky):
    bright = sky[0].iloc[:4000]
    for item in confusers.CLASSES:
        lever, loose, strict = item.lever
        assert lever in item.cuts
        held = [
            item.member(class_sky.Sky(bright), {**item.cuts, lever: value}) for value in np.linspace(loose, strict, 7)
        ]
        assert all((~tight | wide).all() for wide, tight in itertools.pairwise(held))


def test_calibrated_cuts_hold_the_share_and_freeze_into_a_run_file(sky):
    rng = np.random.default_rng(4)
    table = sky[0].copy()
    table["shape_r"] = rng.uniform(0.3, 4, len(table))
    table["shape_e1"] = rng.normal(0, 0.35, len(table))
    table["rchisq_r"] = rng.uniform(0.9, 4, len(table))
    table["rchisq_g"] = table["rchisq_r"]
    counted = np.ones(len(table), bool)
    frozen, report = class_cuts.calibrated([(table, counted)], 0.02)
    settings = config.Manifest(confuser_cuts=frozen)
    bits = confusers.classify(table, settings.confuser_cuts)
    for row in report.itertuples():
        share = np.mean(bits >> schema.CONFUSERS.index(row[1]) & 1)
        assert share == pytest.approx(row.share_after)
        assert share <= 0.02 or row[1] == "psf_halo"  # whose mask bits no lever moves
    moved = report.set_index("class")
    for name in ("edge_on", "face_on_disk", "residual_structure"):  # levers whose quantity is continuous here
        assert moved.loc[name, "share_after"] == pytest.approx(0.02, abs=1e-3)
        assert moved.loc[name, "share_before"] != pytest.approx(0.02, abs=1e-3)
    halves = [(table[:8000], counted[:8000]), (table[8000:].reset_index(drop=True), counted[8000:])]
    alone = class_cuts.calibrated(halves, 0.02)[0]
    assert alone["edge_on"] == frozen["edge_on"]  # no neighbours asked about: parts do not show
    with pytest.raises(confusers.ClassError, match="needs rows"):
        class_cuts.calibrated([(table, ~counted)], 0.02)


def test_a_galaxy_of_two_classes_stands_for_the_rarer_and_classes_take_turns():
    bits = np.array([1, 1, 1, 1, 3, 2, 1])
    hashes = np.arange(7, dtype=np.uint64)
    code, order = drawing.drawn_for(bits, hashes, np.zeros(7, int))
    assert code.tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert code[order].tolist() == [0, 1, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(("quota", "expected"), [(0, [0, 0, 0]), (10, [5, 3, 2]), (20, [13, 3, 4]), (99, [30, 3, 4])])
def test_a_quota_is_spread_in_proportion_and_never_above_the_room(quota, expected):
    assert drawing.spread(quota, np.array([50.0, 30.0, 20.0]), np.array([30, 3, 4])).tolist() == expected


def test_allotment_agrees_with_a_search_over_all_quotas():
    rng = np.random.default_rng(3)
    for _ in range(200):
        stocks = []
        for _ in range(rng.integers(1, 5)):
            taken = np.concatenate([[0], np.cumsum(rng.random(rng.integers(0, 30)) < 0.5)])
            stocks.append(
                drawing.Stock(int(rng.integers(0, 60)), int(rng.choice([0, taken[-1] + rng.integers(1, 60)])), taken)
            )
        got = drawing.allot(stocks, 0.8)
        forced = sum(s.confusers for s in stocks if s.ordinary == 0)
        shared = [s for s in stocks if s.ordinary > 0]
        best = 0
        for quota in range(sum(s.confusers for s in shared) + 1):
            each = drawing.spread(
                quota, np.array([s.wanted for s in shared], float), np.array([s.confusers for s in shared], int)
            )
            n1 = sum(s.n1(int(k)) for s, k in zip(shared, each))
            if forced + quota <= round(0.2 * (n1 + forced + quota)):
                best = quota
        assert abs(int(got.sum()) - forced - best) <= 1
        assert all(k <= s.confusers for k, s in zip(got, stocks))


def test_a_stratum_that_is_short_says_so_and_no_other_makes_up_for_it():
    rows = [{"type": "SER", "ra": 10 + i / 50} for i in range(300)] + [
        {"type": "DEV", "ra": 10 + i / 50, "dec": 6.0} for i in range(20)
    ]
    rows += [{**WITNESSES["edge_on"][0], "ra": 10 + i / 50, "dec": 7.0} for i in range(100)]
    table = table_of(rows)
    positive = np.zeros(len(table), bool)
    positive[[0, 300]] = True
    settings = config.Manifest(negatives_per_positive=100)
    drawn = drawing.draw(pools.offer(table, ~positive, confusers.classify(table), positive, settings), settings, SEED)
    report = drawn.strata.set_index("type_bin")
    assert report.loc["DEV", ["wanted", "n1", "n2", "shortfall"]].tolist() == [100, 19, 0, 81]
    assert report.loc["SER", ["wanted", "shortfall"]].tolist() == [100, 0]
    n1, n2 = report["n1"].sum(), report["n2"].sum()
    assert n2 / (n1 + n2) == pytest.approx(0.15, abs=0.01)


def test_controls_are_what_no_pool_took_and_are_no_negatives(sky, built):
    table, lenses, matches = sky
    settings = SETTINGS.model_copy(update={"controls_per_positive": 5})
    out = manifest.build(table, lenses, matches, NO_CONTAMINANTS, settings, SEED, PROVENANCE)
    control = out.table[out.table["pool"] == "control"]
    assert len(control) == out.waterfall.set_index("step").loc["pool control", "rows"] > 50
    assert (control["label"] == -1).all()
    assert set(control["role"]) == {"none"}
    assert not control["host"].any()
    assert set(control["type"]) <= {"SER", "DEV", "REX"}
    rest = out.table[out.table["pool"] != "control"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, built.table)  # controls take nothing from the pools
    assert out.ledger.missing == 0


def test_empty_n2_stops_the_run_with_the_waterfall():
    rows = [{"type": "SER", "ra": 10 + i / 50} for i in range(300)]
    table = table_of(rows)
    lenses = merged(lenses_of([10.0], [5.0]))
    with pytest.raises(manifest.ManifestError, match=r"(?s)pool N2 is empty.*N1 rule: z < 20.*N2 class: edge_on"):
        manifest.build(
            table, lenses, objects.match_lenses(lenses, table, 5.0), NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE
        )


def test_empty_n1_and_a_required_class_that_is_empty_stop_the_run(sky):
    table, lenses, matches = sky
    faint = SETTINGS.model_copy(update={"mag_z_max": 10.0})
    with pytest.raises(manifest.ManifestError, match="pool N1 is empty"):
        manifest.build(table, lenses, matches, NO_CONTAMINANTS, faint, SEED, PROVENANCE)
    strict = SETTINGS.model_copy(update={"confuser_cuts": {"face_on_disk": {"shape_r_min": 9.0}}})
    with pytest.raises(manifest.ManifestError, match=r"class\(es\) face_on_disk of N2 are empty"):
        manifest.build(table, lenses, matches, NO_CONTAMINANTS, strict, SEED, PROVENANCE)


def test_no_positive_in_the_footprint_stops_the_run(sky):
    table, lenses, matches = sky
    north = SETTINGS.model_copy(update={"dec_range_degree": (60.0, 80.0)})
    with pytest.raises(manifest.ManifestError, match="no lens is matched"):
        manifest.build(table, lenses, matches, NO_CONTAMINANTS, north, SEED, PROVENANCE)


def test_rows_near_any_lens_are_no_negatives_even_when_the_lens_has_no_match(sky):
    table, lenses, _ = sky
    extra = merged(lenses_of([table["ra"][5]], [table["dec"][5] + 8 / 3600]))  # nothing within 5 arcsec
    all_ = pd.concat([lenses, extra], ignore_index=True)
    matches = objects.match_lenses(all_, table, 5.0)
    out = manifest.build(table, all_, matches, NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE)
    assert out.ledger.dropped["within the exclusion radius of a lens"] >= 1
    assert verdict(out.gates, "1A.7").verdict == PASS
    negatives = out.table[out.table["label"] == 0]
    assert matching.nearest(negatives["ra"], negatives["dec"], all_["ra"], all_["dec"], 11.0)[0].max() == -1


@pytest.mark.parametrize("radius", [11.0, 90.0])
def test_exclusion_gate_fails_on_a_negative_beside_a_lens(built, radius):
    row = built.table[built.table["label"] == 0].iloc[0]
    lens = merged(lenses_of([row["ra"]], [row["dec"] + (radius - 1) / 3600]))
    gate = verdict(
        manifest.gates(built.table, SETTINGS.model_copy(update={"exclusion_radius_arcsec": radius}), SEED, lens), "1A.7"
    )
    assert gate.verdict == FAIL
    assert gate.value >= 1


def test_a_galaxy_of_two_lenses_is_one_positive_of_the_better_tier():
    table = table_of([{"ra": 10.0, "dec": 5.0}])
    lenses = merged(lenses_of([10.0], [5.0 + 1 / 3600], "B"), lenses_of([10.0], [5.0 - 3 / 3600], "A", "other"))
    found = labels.positives(lenses, objects.match_lenses(lenses, table, 5.0), "all")
    assert found[["tier", "catalogue"]].to_numpy().tolist() == [["A", "other"]]


def test_only_imaging_candidates_and_confirmed_lenses_are_positives_on_request():
    table = table_of([{}, {}, {}])
    lenses = merged(lenses_of(table["ra"], table["dec"], ["confirmed", "confident", "confident"]))
    lenses["imaging_candidate"] = [False, False, True]
    matches = objects.match_lenses(lenses, table, 5.0)
    assert len(labels.positives(lenses, matches, "all")) == 3
    assert labels.positives(lenses, matches, "imaging")["tier"].tolist() == ["literature", "A"]


def test_duplicates_by_key_and_by_place_go_and_the_positive_stays():
    near = 0.3 / 3600
    rows = [
        {"ra": 10.0, "dec": 0.0, "brickid": 1},
        {"ra": 10.0 + near, "dec": 0.0, "brickid": 2},  # overlapping bricks
        {"ra": 11.0, "dec": 0.0, "brickid": 1},
        {"ra": 11.0 + near, "dec": 0.0, "brickid": 1},  # one brick: two objects
        {"ra": 12.0, "dec": 0.0, "release": 10000},
        {"ra": 12.0, "dec": 0.0, "release": 10002},  # fitted again
        {"ra": 13.0, "dec": 0.0, "brickid": 1},
        {"ra": 13.0 + 0.6 / 3600, "dec": 0.0, "brickid": 2},  # too far
    ]
    table = table_of(rows)
    first = np.zeros(8, bool)
    assert exclusion.same_place(table, 0.5, first).tolist() == [False, True, False, False, True, False, False, False]
    first[1] = True
    assert exclusion.same_place(table, 0.5, first).tolist()[:2] == [True, False]
    again = pd.concat([table, table.iloc[[2]].assign(sweep_file="another.fits")], ignore_index=True)
    assert exclusion.same_key(again).tolist() == [False, False, True, *[False] * 6]  # "another" comes before "sweep"


def test_duplicates_are_counted_in_a_build(sky, built):
    table, lenses, matches = sky
    second = table.iloc[:40].assign(sweep_file="other.fits")
    shifted = table.iloc[100:140].assign(brickid=7777, galaxy_id=table["galaxy_id"][100:140] + (1 << 22) * 9000)
    out = manifest.build(
        pd.concat([table, second, shifted]), lenses, matches, NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE
    )
    assert out.ledger.dropped["key seen before"] == 40
    assert out.ledger.dropped["second fit of the same sky"] == 40
    assert out.ledger.missing == 0
    assert set(out.table["galaxy_id"]) == set(built.table["galaxy_id"])


def test_guard_band_keeps_rows_off_the_border_of_another_split(sky):
    table, *_ = sky
    guard = 60.0
    near = exclusion.near_border(table, guard, SEED, (0.7, 0.15, 0.15))
    assert 0 < near.sum() < len(table) / 4
    by_split = {
        s: table[splits.split_of(table["healpix_128"].to_numpy(), SEED, (0.7, 0.15, 0.15)) == s]
        for s in ("train", "test")
    }
    kept = {s: part[~near[part.index]] for s, part in by_split.items()}
    pairs = [
        matching.pairs(a["ra"], a["dec"], b["ra"], b["dec"], guard)[0].size
        for a, b in (by_split.values(), kept.values())
    ]
    assert pairs[0] > 0
    assert pairs[1] == 0
    # Slow twin: the disc of the guard radius around each of a few rows, asked of healpy.
    for i in range(0, len(table), 200):
        disc = healpy.query_disc(
            128,
            healpy.ang2vec(table["ra"][i], table["dec"][i], lonlat=True),
            np.radians(guard / 3600),
            inclusive=True,
            fact=64,
            nest=True,
        )
        names = set(splits.split_of(disc, SEED, (0.7, 0.15, 0.15)))
        assert near[i] or len(names) == 1


def test_guard_band_rows_are_counted(sky):
    table, lenses, matches = sky
    out = manifest.build(
        table, lenses, matches, NO_CONTAMINANTS, SETTINGS.model_copy(update={"guard_arcsec": 24.0}), SEED, PROVENANCE
    )
    assert out.ledger.dropped["guard band"] > 0
    assert out.ledger.missing == 0


def test_footprint_holds_for_positives_too(sky):
    table, lenses, matches = sky
    few = table.copy()
    few.loc[few["galaxy_id"].isin(matches["galaxy_id"].iloc[:60:7]), "nobs_g"] = 2
    out = manifest.build(few, lenses, matches, NO_CONTAMINANTS, SETTINGS, SEED, PROVENANCE)
    assert out.ledger.dropped["too few exposures"] == few["nobs_g"].eq(2).sum() > 0
    assert (out.table["nobs_g"] >= 3).all()


def test_contaminants_are_named_and_lenses_are_none(sky):
    table, lenses, matches = sky
    ids = [*table["galaxy_id"].iloc[:3000], *matches["galaxy_id"]]
    seen = pd.DataFrame(
        {"name": "x", "category": "ring", "catalogue": "c", "ra": 0.0, "dec": 0.0, "galaxy_id": ids, "separation": 0.1}
    )
    both = schema.CONTAMINANTS.cast_table(pd.concat([seen, seen.iloc[:3000].assign(category="merger")]))
    out = manifest.build(table, lenses, matches, both, SETTINGS, SEED, PROVENANCE).table
    assert set(out["contaminant"]) == {"", "merger|ring"}
    assert (out.loc[out["label"] == 1, "contaminant"] == "").all()


def test_nobs_bins_are_those_of_the_schema():
    assert pools.nobs_bins(np.array([-1, 0, 1, 2, 3, 5, 6, 10, 11, 300])).tolist() == [
        "",
        "0",
        "1-2",
        "1-2",
        "3-5",
        "3-5",
        "6-10",
        "6-10",
        "11+",
        "11+",
    ]


SPOILED = {
    "manifest.unique": lambda t: pd.concat([t, t.iloc[:1]]),
    "manifest.nulls": lambda t: t.assign(flux_r=np.nan),
    "manifest.nulls of exposures": lambda t: t.assign(nobs_z=np.where(np.arange(len(t)) == 3, -1, t["nobs_z"])),
    "manifest.nulls of text": lambda t: t.assign(type=np.where(np.arange(len(t)) == 3, "", t["type"])),
    "manifest.ra": lambda t: t.assign(ra=t["ra"] + 400),
    "manifest.dec": lambda t: t.assign(dec=-91.0),
    "manifest.rows": lambda t: t.iloc[:0],
    "manifest.types": lambda t: t.assign(type="REX"),
    "manifest.provenance": lambda t: t.assign(git_commit="", pipeline_version=""),
    "1A.3": lambda t: t[t["pool"] != "N1"],
    "1A.4": lambda t: t[(t["label"] == 1) | (t["galaxy_id"] % 2 == 0)],
    "X.1": lambda t: t[t["confuser_class"] != "edge_on"],
    "X.2": lambda t: t.assign(
        split=np.where(np.arange(len(t)) == 3, "val", np.where(np.arange(len(t)) == 4, "test", t["split"]))
    ),
    "1B.4": lambda t: t[t["split"] == "train"],
    "1B.3": lambda t: t.assign(psfsize_r=np.where(t["split"] == "val", 1.8, np.arange(len(t)) % 5 / 10)),
    "manifest.anchors": lambda t: t.assign(role=np.where(t["label"] == 1, "anchor", t["role"])),
    "manifest.training": lambda t: t.assign(role="train"),
    "2.1": lambda t: t.assign(weight=1.0),
    "2.5": lambda t: t.assign(catalogue=""),
    "overlap.negatives.psfdepth_r": lambda t: t.assign(psfdepth_r=np.where(t["label"] == 1, 25.0, 23.0)),
    "overlap.hosts.footprint": lambda t: t.assign(host=t["host"] & (t["ra"] < 20.3)),
}


@pytest.mark.parametrize("id_", SPOILED)
def test_every_gate_can_fail(built, sky, id_):
    spoiled = SPOILED[id_](built.table).reset_index(drop=True)
    settings = SETTINGS.model_copy(update={"shortfall_max": 0.1})
    assert verdict(manifest.gates(spoiled, settings, SEED, sky[1]), id_.split()[0]).verdict == FAIL


def few(positives, negatives, seeing=1.2):
    """Rows of two kinds whose seeing is drawn from one range of 30 bins, the positives moved by `seeing - 1.2`."""
    rng = np.random.default_rng(2)
    n = positives + negatives
    label = np.arange(n) < positives
    values = rng.uniform(0.9, 3.9, n) + np.where(label, seeing - 1.2, 0)
    return pd.DataFrame(
        {"label": label.astype("int8"), "host": ~label, "healpix_64": 1, "psfsize_r": values, "psfdepth_r": 24.0}
    )


@pytest.mark.parametrize(
    ("table", "verdict_", "why"),
    [
        (few(40, 2000), PASS, ""),
        (few(40, 2000, seeing=9.0), FAIL, ""),
        (few(40, 20), NOT_JUDGED, "20 negatives are too few: of positives distributed as they are only"),
        (few(40, 20, seeing=9.0), NOT_JUDGED, "20 negatives are too few"),
        (few(5, 2000), NOT_JUDGED, "with 5 positives a single one decides"),
    ],
)
def test_overlap_is_not_judged_where_numbers_alone_would_make_it_small(table, verdict_, why):
    gate = next(g for g in overlaps.overlaps(table, config.Manifest()) if g.id == "overlap.negatives.psfsize_r")
    assert gate.verdict == verdict_, gate
    assert gate.cannot.startswith(why)


def test_the_share_to_expect_is_that_of_positives_drawn_as_the_others_are():
    found = overlaps.overlap(few(4000, 25)).set_index(["compared", "quantity"]).loc[("negatives", "psfsize_r")]
    drawn = [
        overlaps.overlap(few(4000, 25).assign(psfsize_r=np.random.default_rng(i).uniform(0.9, 3.9, 4025))).iloc[2]
        for i in range(200)
    ]
    assert np.mean([row.alike for row in drawn]) == pytest.approx(np.mean([row.share for row in drawn]), abs=0.04)
    assert found.share < 0.9


def test_balance_reports_every_split_and_adds_up(built):
    balance = built.balance[built.balance["sample"] == "all"].set_index("split")
    assert balance.loc[["train", "val", "test"], "rows"].sum() == balance.loc["all", "rows"] == len(built.table)
    shares = balance[[f"share_{t}" for t in schema.TYPES]].sum(axis=1)
    np.testing.assert_allclose(shares, 1)


def test_real_dr10_rows_pass_the_n1_rule_as_a_plain_query_says(real):
    rows = pd.read_csv(real / "tractor" / "dr10" / "lrg_parent_dr10.csv.gz")
    table = pd.DataFrame({"type": rows["TYPE"].str.strip(), "mag_z": objects.magnitude(rows["FLUX_Z"].to_numpy())})
    steps = [int(inside.sum()) for inside in pools.ordinary(table, config.Manifest()).values()]
    by_type = rows[rows["TYPE"].str.strip().isin(["SER", "DEV", "REX"])]
    assert steps == [len(by_type), (by_type["FLUX_Z"] > 10).sum()]  # 20th magnitude is 10 nanomaggy
    assert len(rows) > steps[0] > steps[1] > 1000


def test_real_rows_without_shapes_are_refused_by_the_classes(real):
    path = real / "tractor" / "dr8" / "selected_hosts_dr8_south.fits"
    raw = sweeps.read_sweep(path, ["RA", "DEC", "TYPE", "FLUX_G", "FLUX_R", "FLUX_Z", "FRACIN_R", "MASKBITS"])
    with pytest.raises(
        confusers.ClassError, match=r"'edge_on' needs shape_e1, shape_e2.*'psf_halo' needs gaia_phot_g_mean_mag"
    ):
        confusers.classify(raw.rename(columns=str.lower))


def stamps():
    return pd.DataFrame(
        {
            "galaxy_id": [5, 3, 9, 11],
            "pool": ["positive", "N1", "N2", "control"],
            "tier": ["B", None, None, None],
            "ra": [10.0, np.nan, 20.0, np.nan],
            "dec": [5.0, np.nan, 6.0, np.nan],
            "flux_r": [3.0, np.nan, -1.0, np.nan],
            "catalogue": ["x", None, None, None],
            "type": ["SER", None, "REX", None],
            "host": [True, True, False, False],
        }
    )


def test_the_waterfall_of_an_excerpt_skips_what_its_columns_cannot_tell_and_names_them(sky):
    table, lenses, _ = sky
    whole = excerpt.waterfall(table, SETTINGS, lenses).set_index("step")
    assert whole["lacks"].eq("").all()
    bits = confusers.classify(table)
    low, high = SETTINGS.dec_range_degree
    inside = table["dec"].between(low, high) & (table[["nobs_g", "nobs_r", "nobs_z"]] >= SETTINGS.nobs_min).all(axis=1)
    inside &= ~exclusion.near_lens(table, lenses, SETTINGS.exclusion_radius_arcsec)
    for bit, name in enumerate(schema.CONFUSERS):
        assert whole.loc[f"N2 class: {name}", "rows"] == int((inside & ((bits >> bit & 1) > 0)).sum())
    part = excerpt.waterfall(table.drop(columns=["shape_e1", "nobs_g"]), SETTINGS, lenses).set_index("step")
    short = part[part["lacks"].ne("")]
    assert short["lacks"].to_dict() == {
        "NOBS >= 3 in g, r and z": "nobs_g",
        "N2 class: edge_on": "shape_e1",
        "N2 class: face_on_disk": "shape_e1",
    }
    assert short["rows"].isna().all()
    assert part["rows"].notna().sum() == len(part) - 3


def test_real_excerpts_have_a_waterfall_of_what_their_columns_can_tell(real):
    rows = pd.read_csv(real / "tractor" / "dr10" / "lrg_parent_dr10.csv.gz").rename(columns=str.lower)
    rows = rows.assign(type=rows["type"].str.strip(), mag_z=objects.magnitude(rows["flux_z"].to_numpy()))
    whole_sky = config.Manifest(dec_range_degree=(-90.0, 90.0))
    found = excerpt.waterfall(rows, whole_sky).set_index("step")
    assert found.loc["N1 rule: z < 20", "rows"] == 3186
    assert found.loc["N2 class: edge_on", "lacks"].startswith("shape_e1, shape_e2, shape_r")
    assert found.loc[[f"N2 class: {name}" for name in schema.CONFUSERS], "rows"].isna().all()
    old = sweeps.read_sweep(
        real / "tractor" / "dr8" / "sweep-320m005-330p000.fits",
        [
            "RA",
            "DEC",
            "TYPE",
            "FLUX_R",
            "MW_TRANSMISSION_R",
            "FRACFLUX_R",
            "FRACIN_R",
            "MASKBITS",
            "GAIA_PHOT_G_MEAN_MAG",
        ],
    )
    found = excerpt.waterfall(old.rename(columns=str.lower), config.Manifest()).set_index("step")
    told = found[found["rows"].notna()].index
    assert {"N2 class: blend_merger", "N2 class: psf_halo"} == {step for step in told if step.startswith("N2 class")}
    galaxies, _ = objects.galaxies(sweeps.read_sweep(real / "tractor" / "dr9" / "tractor-1054p567.fits"), "tractor")
    assert excerpt.waterfall(galaxies, config.Manifest())["rows"].notna().all()


def test_rows_of_stamps_become_a_manifest():
    out = manifest.external(stamps(), config.Manifest(), SEED, PROVENANCE)
    table = out.table.set_index("galaxy_id")
    assert schema.MANIFEST.check_table(out.table) is out.table
    assert list(table.index) == [3, 5, 9, 11]
    assert table["label"].to_dict() == {3: 0, 5: 1, 9: 0, 11: -1}
    assert table.loc[3, "split"] == "none"
    assert table.loc[3, "healpix_128"] == -1
    assert table.loc[5, "split"] == splits.split_of(healpix.pixels_of([10.0], [5.0], 128), SEED, (0.7, 0.15, 0.15))[0]
    assert table["host"].to_dict() == {3: True, 5: False, 9: False, 11: False}
    assert table.loc[5, "mag_r"] == pytest.approx(22.5 - 2.5 * np.log10(3))
    assert np.isnan(table.loc[9, "mag_r"])
    assert table.loc[3, "nobs_z"] == -1
    assert table.loc[3, "maskbits"] == 0
    assert table.loc[3, "brickname"] == ""
    assert out.ledger.missing == 0
    assert not [g for g in out.gates if g.verdict == FAIL and g.critical]


def test_rows_of_stamps_that_do_not_fit_are_refused():
    settings = config.Manifest()
    with pytest.raises(manifest.ManifestError, match="there twice"):
        manifest.external(stamps().assign(galaxy_id=1), settings, SEED, PROVENANCE)
    with pytest.raises(manifest.ManifestError, match="unknown columns"):
        manifest.external(stamps().assign(colour=1), settings, SEED, PROVENANCE)
    with pytest.raises(ValueError, match="unknown pool"):
        manifest.external(stamps().assign(pool="N3"), settings, SEED, PROVENANCE)
    with pytest.raises(ValueError, match="tier"):
        manifest.external(stamps().assign(tier="C"), settings, SEED, PROVENANCE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"split_fractions": (0.7, 0.2, 0.2)},
        {"required_classes": ["ring"]},
        {"confuser_cuts": {"ring": {}}},
        {"tier_weights": {"A": 1.0}},
        {"tier_targets": {"literature": 1, "A": 1, "B": 1.5}},
        {"types": ["SERSIC"]},
        {"anchor_tiers": ["C"]},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(
        ValueError, match="|".join(["add to", "no confuser", "one value", "outside", "no Tractor", "no tiers"])
    ):
        config.Manifest(**wrong)
