"""Outside tables become ours with every row accounted for, and lenses meet the survey whatever the order."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from raw_objects import raw_of

from lenscal import config, objects, schema
from lenscal.config import LensCatalogue
from lenscal.gates import ABSENT, FAIL, PASS
from lenscal.io.tables import lenses as catalogues
from lenscal.kernels import matching

FRACTIONS = (0.7, 0.15, 0.15)
ANY = LensCatalogue(name="tests", source="x", format="csv", channel="visual")


def test_galaxy_id_is_the_target_id_of_desi():
    raw = raw_of(2, RELEASE=[10000, 10002], BRICKID=[662174, 5], OBJID=[(1 << 22) - 1, 7])
    table, _ = objects.galaxies(raw, "f")
    expected = {10000 << 42 | 662174 << 22 | (1 << 22) - 1, 10002 << 42 | 5 << 22 | 7}
    assert set(table["galaxy_id"]) == expected
    one = table[table["brickid"] == 5].iloc[0]
    unpacked = one["galaxy_id"] & (1 << 22) - 1, one["galaxy_id"] >> 22 & (1 << 20) - 1, one["galaxy_id"] >> 42
    assert unpacked == (7, 5, 10002)


def test_neighbouring_keys_stay_apart_when_another_row_is_dropped():
    raw = raw_of(40, RELEASE=np.full(40, 10000), BRICKID=np.full(40, 400000), RA=[400.0, *np.linspace(10, 20, 39)])
    table, ledger = objects.galaxies(raw, "f")
    assert len(table) == 39
    assert ledger.dropped == {"RA outside [0, 360]": 1}


def test_negative_and_zero_fluxes_stay_without_a_magnitude():
    table, ledger = objects.galaxies(raw_of(3, FLUX_G=[-1.0, 0.0, 10.0]), "f")
    assert ledger.rows_out == 3
    assert not ledger.dropped
    assert np.isnan(table["mag_g"][:2]).all()
    assert table["mag_g"][2] == pytest.approx(20.0)
    assert np.isnan(table["colour_gr"][:2]).all()
    assert table["flux_g"].tolist() == [-1.0, 0.0, 10.0]


def test_colours_are_dereddened_and_magnitudes_are_not():
    light = {"FLUX_G": [10.0], "FLUX_R": [10.0], "FLUX_Z": [10.0], "FLUX_W1": [10.0]}
    dust = {
        "MW_TRANSMISSION_G": [0.5],
        "MW_TRANSMISSION_R": [0.8],
        "MW_TRANSMISSION_Z": [1.0],
        "MW_TRANSMISSION_W1": [1.0],
    }
    row = objects.galaxies(raw_of(1, **light, **dust), "f")[0].iloc[0]
    assert row["mag_g"] == row["mag_r"] == pytest.approx(20.0)
    assert row["colour_gr"] == pytest.approx(2.5 * np.log10(0.5 / 0.8), abs=1e-5)
    assert row["colour_rz"] == pytest.approx(2.5 * np.log10(0.8), abs=1e-5)
    assert row["colour_zw1"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("ivar", "magnitude"), [(500, 24.13), (1000, 24.50), (2285, 24.95)])
def test_depths_of_the_survey_page_are_reached(ivar, magnitude):
    assert objects.depth_magnitude(np.array([ivar]))[0] == pytest.approx(magnitude, abs=0.01)
    table, _ = objects.galaxies(raw_of(2, PSFDEPTH_R=[ivar, 0.0], GALDEPTH_R=[ivar * 0.6, -1.0]), "f")
    assert table["psfdepth_r"][0] == pytest.approx(magnitude, abs=0.01)
    assert np.isnan(table["psfdepth_r"][1])
    assert np.isnan(table["galdepth_r"][1])


def test_depths_in_magnitudes_stay_and_small_inverse_variances_are_not_taken_for_them():
    mags = {f"{k}DEPTH_{b}": [24.1, 23.2] for k in ("PSF", "GAL") for b in "GRZ"}
    table, _ = objects.galaxies(raw_of(2, **mags), "f")
    assert table["psfdepth_z"].tolist() == pytest.approx([24.1, 23.2], abs=1e-5)
    shallow, _ = objects.galaxies(raw_of(2, PSFDEPTH_Z=[30.0, 25.0], GALDEPTH_Z=[20.0, 15.0]), "f")
    assert shallow["psfdepth_z"].tolist() == pytest.approx(
        [22.5 - 2.5 * np.log10(5 / np.sqrt(v)) for v in (30, 25)], abs=1e-4
    )


@pytest.mark.parametrize("mixed", [{"PSFDEPTH_R": [24.0] * 6}, {"GALDEPTH_R": [23.5] * 6}])
def test_depths_in_two_units_are_refused(mixed):
    with pytest.raises(objects.ObjectsError, match="'sweep-x': GALDEPTH_R over PSFDEPTH_R"):
        objects.galaxies(raw_of(6, **mixed), "sweep-x")


def test_every_row_that_goes_has_its_reason():
    raw = raw_of(
        10,
        RA=[400.0, -181.0, np.nan, 360.0, 0.0, 5, 6, 7, 8, 9],
        DEC=[0, 0, 0, 90.0, -90.0, 91, np.inf, 0, 0, 0],
        OBJID=[0, 1, 2, 3, 4, 5, 6, 3, 8, 1 << 22],
        TYPE=["SER"] * 8 + ["COMP", "SER"],
    )
    table, ledger = objects.galaxies(raw, "f", row_start=100)
    assert ledger.dropped == {
        "position not finite": 2,
        "RA outside [0, 360]": 2,
        "Dec outside [-90, 90]": 1,
        "key out of range": 1,
        "type unknown": 1,
        "key twice in the file": 1,
    }
    assert ledger.missing == 0
    assert ledger.gate("galaxies").verdict == PASS
    assert table["row_index"].tolist() == [103, 104]
    assert set(table["sweep_file"]) == {"f"}
    assert table["healpix_128"].between(0, 12 * 128**2 - 1).all()


def test_rows_of_a_tractor_file_that_are_not_primary_go():
    table, ledger = objects.galaxies(raw_of(3).assign(BRICK_PRIMARY=[True, False, True]), "f")
    assert len(table) == 2
    assert ledger.dropped == {"not primary in its brick": 1}


def test_galaxies_do_not_depend_on_how_a_file_is_cut_into_parts():
    raw = raw_of(50, OBJID=np.random.default_rng(0).permutation(50))
    whole, ledger = objects.galaxies(raw, "f")
    parts = [objects.galaxies(raw[a : a + 20], "f", a) for a in (0, 20, 40)]
    again = pd.concat([t for t, _ in parts]).sort_values("galaxy_id", ignore_index=True)
    pd.testing.assert_frame_equal(again, whole, check_exact=True)
    assert sum((led for _, led in parts[1:]), parts[0][1]) == ledger


def test_pixels_of_nside_64_hold_those_of_128():
    table, _ = objects.galaxies(raw_of(300, RA=np.linspace(0, 359, 300), DEC=np.linspace(-89, 89, 300)), "f")
    np.testing.assert_array_equal(table["healpix_128"].to_numpy() >> 2, table["healpix_64"])


@pytest.mark.parametrize(
    ("cell", "value", "unreadable"),
    [
        ("0.272", 0.272, False),
        ("0.272?", None, True),
        ("0.905? measured", None, True),
        ("measured", None, True),
        ("-", None, False),
        ("not measured", None, False),
        ("0.4861 | nan", 0.4861, False),
        ("nan | 0.5 | 0.6", 0.5, False),
        ("0.3? | 0.4", 0.4, False),
        (0.7, 0.7, False),
        (np.nan, None, False),
        ("-99", None, False),
        ("inf", None, False),
    ],
)
def test_redshifts_are_numbers_or_nothing(cell, value, unreadable):
    values, bad = objects.redshifts([cell])
    assert np.isnan(values[0]) if value is None else values[0] == value
    assert bad[0] == unreadable


def lenses(**columns):
    return objects.lens_table(pd.DataFrame(columns), ANY)


def test_tiers_follow_grades_and_unknown_grades_are_refused():
    grades = ["confident", "probable", "confirmed", "high-quality", "A", "c", "", None]
    table, _ = lenses(ra=np.arange(8.0), dec=np.zeros(8), grade=grades)
    assert table["tier"].tolist() == ["A", "B", "literature", "literature", "A", "B", "B", "B"]
    spectra = objects.lens_table(
        pd.DataFrame({"ra": [1.0], "dec": [1.0]}), ANY.model_copy(update={"channel": "spectroscopic"})
    )[0]
    assert spectra["tier"].tolist() == ["literature"]
    with pytest.raises(objects.ObjectsError, match=r"'tests': 1 of 1 rows have unknown grade\(s\) \['splendid'\]"):
        lenses(ra=[1.0], dec=[1.0], grade=["splendid"])


def test_rule_p0_1b_marks_imaging_candidates_and_their_channel():
    table, _ = lenses(
        ra=np.arange(5.0),
        dec=np.zeros(5),
        name=["DESI-1", "x", "x", "x", "x"],
        reference=[
            "",
            "Storfer et al. (2022)",
            "Inchausti (2025) | Bolton (2008)",
            "Bolton (2008)",
            "Huang (2020) | Storfer (2022)",
        ],
    )
    assert table["imaging_candidate"].tolist() == [True, True, True, False, True]
    assert table["channel"].tolist() == ["imaging-ml", "imaging-ml", "imaging-ml|visual", "visual", "imaging-ml"]


def test_bad_positions_of_a_lens_catalogue_are_counted():
    table, ledger = lenses(ra=["10", "x", 400, 5, None], dec=[0, 0, 0, -91, 0])
    assert len(table) == 1
    assert ledger.missing == 0
    assert ledger.dropped == {"position not finite": 2, "position off the sphere": 2}


def test_lens_id_is_the_position_to_a_tenth_of_an_arcsecond():
    ids = objects.lens_id([10.0, 10.0 + 0.04 / 3600, 10.0 + 0.1 / 3600, 359.999999], [-5.0, -5.0, -5.0, 5.0])
    assert ids.tolist() == ["J010.00000-05.00000", "J010.00000-05.00000", "J010.00003-05.00000", "J000.00000+05.00000"]


def test_overlapping_catalogues_are_one_system_whatever_their_order():
    near = 1.5 / 3600
    one = objects.lens_table(
        pd.DataFrame(
            {
                "ra": [10.0, 20.0],
                "dec": [0.0, 0.0],
                "grade": ["probable", "confident"],
                "zlens": ["0.5", "-"],
                "reference": ["P1", "P2"],
            }
        ),
        ANY.model_copy(update={"name": "one"}),
    )[0]
    two = objects.lens_table(
        pd.DataFrame(
            {"ra": [10.0, 30.0], "dec": [near, 0.0], "grade": ["confirmed", "probable"], "reference": ["P3 | P1", ""]}
        ),
        ANY.model_copy(update={"name": "two", "channel": "spectroscopic"}),
    )[0]
    three = objects.lens_table(
        pd.DataFrame({"ra": [10.0], "dec": [2 * near]}), ANY.model_copy(update={"name": "three"})
    )[0]
    table, ledger = objects.merge_lenses([one, two, three], 2.0, 1, FRACTIONS)
    assert len(table) == 3
    assert ledger.dropped == {"merged into another entry": 2}
    assert ledger.missing == 0
    row = table[table["ra"] == 10.0].iloc[0]
    assert (row["tier"], row["grade"], row["dec"]) == ("literature", "confirmed", near)
    assert (row["catalogue"], row["reference"], row["channel"]) == ("one|three|two", "P1|P3", "spectroscopic|visual")
    assert row["zlens"] == pytest.approx(0.5)
    for order in ([two, three, one], [three.sample(frac=1), one[::-1], two[::-1]]):
        pd.testing.assert_frame_equal(objects.merge_lenses(order, 2.0, 1, FRACTIONS)[0], table, check_exact=True)


def test_two_spectra_of_a_system_are_lens_and_source():
    channel = ANY.model_copy(update={"channel": "spectroscopic"})
    raw = pd.DataFrame(
        {
            "ra": [10.0, 10.0, 20.0],
            "dec": [0.0, 1 / 3600, 0.0],
            "zlens": ["1.4", "0.4", "0.6"],
            "name": ["source", "lens", "alone"],
        }
    )
    table, _ = objects.merge_lenses([objects.lens_table(raw, channel)[0]], 2.0, 1, FRACTIONS)
    np.testing.assert_allclose(table[["zlens", "zsource"]].to_numpy(float), [[0.4, 1.4], [0.6, np.nan]], rtol=1e-6)


def test_no_catalogue_gives_an_empty_table():
    table, ledger = objects.merge_lenses([], 2.0, 1, FRACTIONS)
    assert len(schema.LENSES.check_table(table)) == 0
    assert ledger.rows_in == 0


def galaxies_at(ra, dec):
    raw = raw_of(len(ra), RA=np.asarray(ra, float), DEC=np.asarray(dec, float))
    return objects.galaxies(raw, "f")[0]


@pytest.fixture
def meeting():
    step = 1 / 3600
    galaxies = galaxies_at([10.0, 10.0, 50.0, 359.9999], [0.0, 3 * step, 0.0, 0.0])
    raw = pd.DataFrame(
        {"ra": [10.0, 10.001, 200.0, 0.0001], "dec": [step, 7 * step, 0.0, 0.0], "grade": "probable", "name": "DESI-1"}
    )
    table, _ = objects.merge_lenses([objects.lens_table(raw, ANY)[0]], 2.0, 1, FRACTIONS)
    return table, galaxies


def test_a_lens_is_matched_to_its_nearest_object_or_says_why_not(meeting):
    table, galaxies = meeting
    matches = objects.match_lenses(table, galaxies, 5.0).set_index("lens_id")
    rows = matches.loc[objects.lens_id(table["ra"], table["dec"])]
    by_ra = dict(zip(np.round(table["ra"], 4), rows.itertuples()))
    assert by_ra[10.0].galaxy_id == galaxies["galaxy_id"][0]
    assert by_ra[10.0].n_within == 2
    assert by_ra[10.0].separation == pytest.approx(1.0, abs=1e-5)
    assert by_ra[0.0001].galaxy_id == galaxies["galaxy_id"][3]
    assert by_ra[0.0001].separation == pytest.approx(0.72, abs=1e-3)
    assert by_ra[10.001].reason == "no object within radius" or by_ra[10.001].separation <= 5
    assert by_ra[200.0].reason == "outside the footprint"
    assert by_ra[200.0].galaxy_id == -1
    assert np.isnan(by_ra[200.0].separation)


def test_matches_do_not_depend_on_order(meeting):
    table, galaxies = meeting
    one = objects.match_lenses(table, galaxies, 5.0)
    two = objects.match_lenses(table.sample(frac=1, random_state=1), galaxies.sample(frac=1, random_state=2), 5.0)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_the_footprint_is_pixels_or_a_function(meeting):
    table, galaxies = meeting
    everywhere = objects.match_lenses(table, galaxies, 5.0, footprint=lambda ra, dec: np.ones(len(ra), bool))
    assert "outside the footprint" not in set(everywhere["reason"])
    nowhere = objects.match_lenses(table, galaxies, 5.0, footprint=np.array([], int))
    assert set(nowhere["reason"]) == {"matched", "outside the footprint"}


def test_match_rate_counts_positives_inside_the_footprint(meeting):
    table, galaxies = meeting
    settings = config.Objects(lenses=[ANY])
    matches = objects.match_lenses(table, galaxies, 5.0)
    inside = matches["reason"] != "outside the footprint"
    gates = {g.id: g for g in objects.gates(table, matches, settings)}
    rate = (matches["reason"] == "matched").sum() / inside.sum()
    assert gates["P0.match_rate"].value == pytest.approx(rate)
    assert "over all" in gates["P0.match_rate"].evidence
    missed = matches.assign(reason="no object within radius", galaxy_id=-1)
    assert {g.id: g.verdict for g in objects.gates(table, missed, settings)}["P0.match_rate"] == FAIL
    outside = matches.assign(reason="outside the footprint", galaxy_id=-1)
    assert {g.id: g.verdict for g in objects.gates(table, outside, settings)}["P0.match_rate"] == ABSENT
    lost = {g.id: g.verdict for g in objects.gates(table.assign(tier=""), matches[1:], settings)}
    assert lost["P0.every_lens"] == lost["X.3"] == FAIL
    assert {g.id: g.verdict for g in objects.gates(table, matches, settings)}["X.3"] == PASS


def test_contaminants_are_matched_and_rows_without_a_category_counted(meeting):
    _, galaxies = meeting
    raw = pd.DataFrame(
        {"name": [1, 2, 3, 4], "ra": [10.0, 90.0, "x", 50.0], "dec": 0.0, "category": ["ring", "ring", "ring", None]}
    )
    table, ledger = objects.contaminant_table(
        raw, config.ContaminantCatalogue(name="c", source="x", category="column:k")
    )
    assert ledger.dropped == {"position not finite": 1, "no category": 1}
    assert ledger.missing == 0
    out = objects.match_contaminants(table, galaxies, 5.0)
    assert out["galaxy_id"].tolist() == [galaxies["galaxy_id"][0], -1]
    assert schema.CONTAMINANTS.check_table(out) is out


# Known answers on real catalogues.


def test_lenscat_holds_5104_imaging_candidates():
    catalogue = LensCatalogue(name="lenscat", source="lenscat")
    table, ledger = objects.lens_table(catalogues.read_lenses(catalogue), catalogue)
    candidates = table[table["imaging_candidate"]]
    assert len(table) == ledger.rows_in == 32838
    assert len(candidates) == 5104
    assert candidates["tier"].value_counts().to_dict() == {"B": 4669, "A": 435}
    assert table.attrs["unreadable_redshifts"] > 0


def real_lenses(real, name, **settings):
    catalogue = LensCatalogue(name=name, source=str(real / "positives" / name), **settings)
    return objects.lens_table(catalogues.read_lenses(catalogue), catalogue)


def test_real_imaging_candidates_are_all_of_the_rule(real):
    table, _ = real_lenses(real, "desi_candidates.csv.gz")
    assert len(table) == table["imaging_candidate"].sum() == 3964
    assert table["tier"].value_counts().to_dict() == {"B": 3623, "A": 341}


def test_real_catalogues_overlap_and_merge_to_the_same_in_any_order(real):
    silo = {"name": "name", "zlens": "redshift_lens", "zsource": "redshift_source", "reference": "paper_id"}
    tables = [
        real_lenses(real, "desi_candidates.csv.gz")[0],
        real_lenses(real, "sled_huang21.csv", format="csv", columns={"reference": "paper_id"}, channel="imaging-ml")[0],
        real_lenses(real, "sled_silo_talbot21.csv", format="csv", columns=silo, channel="spectroscopic")[0],
        real_lenses(real, "stein22_new_lenses.csv", format="csv", channel="imaging-ml", columns={"grade": "grade"})[0],
        real_lenses(real, "stein22_training_lenses.csv", format="csv", channel="imaging-ml")[0],
    ]
    merged, ledger = objects.merge_lenses(tables, 2.0, 5, FRACTIONS)
    again, _ = objects.merge_lenses(tables[::-1], 2.0, 5, FRACTIONS)
    pd.testing.assert_frame_equal(merged, again, check_exact=True)
    assert ledger.missing == 0
    assert ledger.dropped["merged into another entry"] > 1000
    huang = merged["catalogue"].str.contains("sled_huang21")
    assert merged.loc[huang, "catalogue"].str.contains("desi_candidates").mean() > 0.9
    pairs = matching.pairs(merged["ra"], merged["dec"], merged["ra"], merged["dec"], 2.0)[0]
    assert pairs.size < 1.01 * len(merged)  # representatives of two systems are seldom near


def test_real_positives_meet_the_real_dr10_rows(real):
    rows = catalogues.read_table(real / "tractor" / "dr10" / "lrg_parent_dr10.csv.gz")
    galaxies = pd.DataFrame({"galaxy_id": np.arange(len(rows)), "ra": rows["RA"], "dec": rows["DEC"]})
    lenses, _ = objects.merge_lenses([real_lenses(real, "desi_candidates.csv.gz")[0]], 2.0, 5, FRACTIONS)
    matches = objects.match_lenses(lenses, galaxies, 5.0)
    _, gap, _ = SkyCoord(lenses["ra"], lenses["dec"], unit="deg").match_to_catalog_sky(
        SkyCoord(galaxies["ra"], galaxies["dec"], unit="deg")
    )
    hit = matches.sort_values("lens_id")["reason"].eq("matched").to_numpy()
    np.testing.assert_array_equal(hit, gap.arcsec <= 5)
    np.testing.assert_allclose(matches["separation"][hit], gap.arcsec[hit], atol=1e-4)
    assert hit.sum() > 0
    report = objects.match_report(lenses, matches).set_index("measure")["value"]
    assert report["positives"] == len(lenses)
    assert report["outside the footprint"] > 3000


@pytest.mark.parametrize("offset", [0.0, 0.01, 0.05])
def test_a_lens_or_look_alike_beside_a_dup_is_matched_to_the_galaxy_that_has_the_light(offset):
    ra = [10.0, 10.0 + 0.05 / 3600, 20.0]
    galaxies, _ = objects.galaxies(
        raw_of(3, TYPE=["SER", "DUP", "DUP"], RA=ra, DEC=[0.0] * 3, FLUX_R=[80.0, 0.0, 0.0]), "f"
    )
    on = pd.DataFrame({"ra": [10.0 + (0.05 + offset) / 3600, 20.0], "dec": [0.0, 0.0], "name": "x", "category": "ring"})
    item = config.LensCatalogue(name="l", source="x", format="csv", channel="visual")
    lenses, _ = objects.merge_lenses([objects.lens_table(on, item)[0]], 2.0, 1, FRACTIONS)
    matches = objects.match_lenses(lenses, galaxies, 1.5).set_index("lens_id").loc[lenses.sort_values("ra")["lens_id"]]
    by_id = galaxies.set_index("galaxy_id")["type"].astype(str)
    assert [by_id.get(found, "") for found in matches["galaxy_id"]] == ["SER", ""]
    assert matches["n_within"].tolist() == [1, 0]
    assert matches["reason"].tolist() == ["matched", "no object within radius"]
    look_alikes, _ = objects.contaminant_table(on, config.ContaminantCatalogue(name="c", source="x", category="ring"))
    found = objects.match_contaminants(look_alikes, galaxies, 1.5).sort_values("ra")
    assert [by_id.get(galaxy, "") for galaxy in found["galaxy_id"]] == ["SER", ""]
    near = objects.neighbours_of(lenses, objects.meet(lenses, galaxies, 5.0))
    assert set(near["type"].astype(str)) == {"SER"}


@pytest.mark.parametrize("band", ["G", "R", "Z", "W1"])
@pytest.mark.parametrize("value", [1.7, 0.0, -0.2, np.nan, np.inf])
def test_a_transmission_that_is_no_share_of_the_light_gives_no_colour(band, value):
    raw = raw_of(4, **{f"MW_TRANSMISSION_{band}": np.array([0.9, value, 1.0, 0.2], "f4")})
    table, ledger = objects.galaxies(raw, "f")
    assert not ledger.dropped
    assert table.attrs["no_transmission"] == 1
    touched = {
        "G": ["colour_gr"],
        "R": ["colour_gr", "colour_rz"],
        "Z": ["colour_rz", "colour_zw1"],
        "W1": ["colour_zw1"],
    }[band]
    for name in ("colour_gr", "colour_rz", "colour_zw1"):
        assert table[name].isna().tolist() == [False, name in touched, False, False]
