"""Splits, exclusion and cross-match of one's own positions are those of the manifest, whatever
form the positions come in.
"""

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

import lenscal as lc
from lenscal import healpix
from lenscal.kernels import matching
from lenscal.manifest import exclusion, splits

RNG = np.random.default_rng(3)
RA, DEC = RNG.uniform(0, 360, 500), np.degrees(np.arcsin(RNG.uniform(-1, 1, 500)))
FORMS = {
    "pair": (RA, DEC),
    "lists": (RA.tolist(), DEC.tolist()),
    "radian": (np.radians(RA) * u.rad, np.radians(DEC) * u.rad),
    "table": pd.DataFrame({"ra": RA, "dec": DEC}),
    "sky": SkyCoord(RA, DEC, unit="deg"),
    "galactic": SkyCoord(RA, DEC, unit="deg").galactic,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_positions_gives_the_splits_and_matches_of_the_manifest(form):
    positions = FORMS[form]
    np.testing.assert_array_equal(lc.sky_pixels(positions), healpix.pixels_of(RA, DEC, 128))
    np.testing.assert_array_equal(
        lc.split_of(positions, seed=7), splits.split_of(healpix.pixels_of(RA, DEC, 128), 7, (0.7, 0.15, 0.15))
    )
    guarded = lc.near_border(positions, 60.0, seed=7)
    np.testing.assert_array_equal(guarded, exclusion.near_border(FORMS["table"], 60.0, 7, (0.7, 0.15, 0.15)))
    assert 0 < guarded.sum() < guarded.size
    others = (RA[::5] + 1e-3, DEC[::5])
    index, separation, count = matching.nearest(RA, DEC, *others, 30.0)
    found = lc.cross_match(positions, others, 30.0)
    np.testing.assert_array_equal(found["index"], index)
    np.testing.assert_array_equal(found["count"], count)
    np.testing.assert_allclose(found["separation"], separation, atol=1e-6)
    np.testing.assert_array_equal(lc.near_any(positions, others, 30.0), count > 0)


@pytest.mark.parametrize("radius", [30.0, 30 * u.arcsec, 0.5 * u.arcmin, np.radians(30 / 3600) * u.rad])
def test_a_radius_may_have_a_unit(radius):
    others = (RA + 1e-3, DEC)
    pd.testing.assert_frame_equal(
        lc.cross_match(FORMS["pair"], others, radius), lc.cross_match(FORMS["pair"], others, 30.0)
    )
    np.testing.assert_array_equal(lc.near_border(FORMS["pair"], radius), lc.near_border(FORMS["pair"], 30.0))


def test_a_match_is_exact_across_ra_0_and_at_the_pole():
    found = lc.cross_match(([359.9999, 10.0], [0.0, 89.9999]), ([0.0001, 190.0], [0.0, 89.9999]), 1.0)
    np.testing.assert_allclose(found["separation"], 0.72, rtol=1e-6)
    np.testing.assert_array_equal(found["index"], [0, 1])


def test_groups_are_linked_by_steps():
    np.testing.assert_array_equal(
        lc.sky_groups(([10.0, 10.0, 10.0, 20.0], [0.0, 0.001, 0.002, 0.0]), 4 * u.arcsec), [0, 0, 0, 3]
    )


def test_what_has_no_position_has_no_split():
    assert lc.split_of(([10.0, np.nan, 10.0], [0.0, 0.0, 91.0])).tolist()[1:] == ["none", "none"]
    assert lc.sky_pixels(([np.nan], [0.0]))[0] == -1
    assert len(lc.cross_match(([], []), ([1.0], [1.0]), 1.0)) == 0


OTHERS = (RA, DEC)
FUNCTIONS = {
    "sky_pixels": lambda p: lc.sky_pixels(p),
    "split_of": lambda p: lc.split_of(p),
    "near_border": lambda p: lc.near_border(p, 10.0),
    "cross_match": lambda p: lc.cross_match(p, OTHERS, 5.0),
    "cross_match second": lambda p: lc.cross_match(OTHERS, p, 5.0),
    "near_any": lambda p: lc.near_any(p, OTHERS, 5.0),
    "near_any others": lambda p: lc.near_any(OTHERS, p, 5.0),
    "sky_groups": lambda p: lc.sky_groups(p, 5.0),
}
BAD = {
    "missing column": (pd.DataFrame({"ra": RA}), "lack the column dec"),
    "lengths": ((RA, DEC[:-1]), r"have ra of shape \(500,\) and dec of shape \(499,\)"),
    "dims": ((RA.reshape(2, -1), DEC.reshape(2, -1)), r"expected \(n,\) both"),
    "text": ((["north"], [1.0]), "holds .*north.*, expected numbers"),
    "unit": ((RA * u.m, DEC), "is in m, which cannot be converted to deg"),
    "form": (7, "are a int, expected a SkyCoord"),
    "three": ((RA, DEC, RA), "are a tuple, expected a SkyCoord"),
}
NOWHERE = {
    "nan": ((np.where(RA > 180, np.nan, RA), DEC), "ra or dec, is not finite in"),
    "nan everywhere": ((RA * np.nan, DEC * np.nan), "is not finite in 1000 of 1000 places"),
    "declination": ((RA, DEC + 200), "have a declination of"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_are_no_positions_is_refused_everywhere(function, bad):
    with pytest.raises(ValueError, match=BAD[bad][1]):
        FUNCTIONS[function](BAD[bad][0])


@pytest.mark.parametrize("bad", NOWHERE)
@pytest.mark.parametrize("function", [name for name in FUNCTIONS if not name.startswith(("sky_pixels", "split_of"))])
def test_positions_that_match_nothing_are_refused_where_they_are_matched(function, bad):
    with pytest.raises(ValueError, match=NOWHERE[bad][1]):
        FUNCTIONS[function](NOWHERE[bad][0])


@pytest.mark.parametrize("radius", [0, -1, np.nan, np.inf, [1.0, 2.0], 5 * u.m])
@pytest.mark.parametrize(
    "function",
    [
        lambda r: lc.cross_match(OTHERS, OTHERS, r),
        lambda r: lc.near_any(OTHERS, OTHERS, r),
        lambda r: lc.sky_groups(OTHERS, r),
        lambda r: lc.near_border(OTHERS, r),
    ],
)
def test_a_radius_that_is_none_is_refused(function, radius):
    with pytest.raises(ValueError, match=r"expected one number above 0|cannot be converted to arcsec"):
        function(radius)


def test_a_radius_beyond_the_reach_of_matching_is_refused():
    with pytest.raises(ValueError, match="expected at most 320400"):
        lc.cross_match(OTHERS, OTHERS, 90 * u.deg)


@pytest.mark.parametrize("fractions", [(0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (0.5, 0.5), (np.nan, 0.5, 0.5)])
@pytest.mark.parametrize(
    "function", [lambda f: lc.split_of(OTHERS, fractions=f), lambda f: lc.near_border(OTHERS, 5.0, fractions=f)]
)
def test_fractions_that_are_no_shares_are_refused(function, fractions):
    with pytest.raises(ValueError, match="expected the shares of train, val and test, which add to 1"):
        function(fractions)


@pytest.mark.parametrize("nside", [0, 3, 128.0, -2, 1 << 30])
def test_an_nside_that_is_none_is_refused(nside):
    with pytest.raises(ValueError, match="expected a power of two"):
        lc.sky_pixels(OTHERS, nside)
