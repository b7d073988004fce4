"""Matches on the sphere are those of the haversine formula, everywhere and in every order."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, search_around_sky
from hypothesis import given, settings
from hypothesis import strategies as st

from lenscal.kernels import candidates, grouping, matching


def slow_pairs(ra_1, dec_1, ra_2, dec_2, radius):
    out = []
    for i, (a, b) in enumerate(zip(ra_1, dec_1)):
        for j, (c, d) in enumerate(zip(ra_2, dec_2)):
            p, q = np.radians([b, d])
            h = np.sin((q - p) / 2) ** 2 + np.cos(p) * np.cos(q) * np.sin(np.radians(c - a) / 2) ** 2
            if np.degrees(2 * np.arcsin(np.sqrt(h))) * 3600 <= radius:
                out.append((i, j))
    return out


degrees = st.floats(0, 360, allow_nan=False)
centres = st.tuples(st.sampled_from([0.0, 359.9999, 180.0, 123.4]), st.sampled_from([-90.0, -89.9999, 0.0, 45.0, 90.0]))
offsets = st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30)), min_size=1, max_size=12)


def around(centre, steps):
    ra, dec = centre
    east, north = np.array(steps).T / 3600
    dec = np.clip(dec + north, -90, 90)
    return (ra + east / np.maximum(np.cos(np.radians(dec)), 1e-6)) % 360, dec


@settings(max_examples=150, deadline=None)
@given(centres, offsets, offsets, st.floats(0.01, 20))
def test_pairs_are_those_of_the_slow_twin_at_poles_and_across_zero(centre, one, two, radius):
    first, second = around(centre, one), around(centre, two)
    i, j, _ = matching.pairs(*first, *second, radius)
    expected = slow_pairs(*first, *second, radius)
    near_edge = set({*zip(i.tolist(), j.tolist())} ^ {*expected})
    for a, b in near_edge:  # the two may part only on the rim itself
        gap = matching.separation(first[0][a], first[1][a], second[0][b], second[1][b])
        assert abs(gap - radius) < 1e-9


@settings(max_examples=60, deadline=None)
@given(centres, offsets, st.floats(0.01, 20))
def test_twins_are_the_pairs_of_a_table_with_itself_each_once(centre, steps, radius):
    ra, dec = around(centre, steps)
    first, second, _ = matching.pairs(ra, dec, ra, dec, radius)
    expected = [(i, j) for i, j in zip(first.tolist(), second.tolist()) if i < j]
    assert [*zip(*(part.tolist() for part in matching.twins(ra, dec, radius)))] == sorted(expected)


@settings(max_examples=60, deadline=None)
@given(centres, offsets, st.floats(0.01, 20), st.integers(0, 9))
def test_whoever_has_a_neighbour_of_another_group_is_beside_it(centre, steps, radius, seed):
    ra, dec = around(centre, steps)
    group = np.random.default_rng(seed).integers(0, 3, len(ra))
    first, second = matching.twins(ra, dec, radius)
    apart = group[first] != group[second]
    beside = grouping.beside_another_group(ra, dec, group, radius)
    assert beside[first[apart]].all()
    assert beside[second[apart]].all()


@pytest.mark.parametrize("strip", [1, 30])
@pytest.mark.parametrize("radius", [20.0, 4000.0])
@pytest.mark.parametrize("centre", [(0.0, -90.0), (359.9, -0.3), (180.0, 60.0), (20.0, 89.0)])
def test_lists_cut_into_strips_have_the_pairs_of_whole_ones(centre, radius, strip, monkeypatch):
    """Clusters, ties in declination, and rows beyond either list's reach."""
    rng = np.random.default_rng(3)
    one, two = (around(centre, rng.normal(0, scale, (n, 2)).round(1)) for n, scale in ((300, 900), (220, 300)))
    two[1][::7] = two[1][0]
    whole = matching.pairs(*one, *two, radius)
    assert whole[0].size
    np.testing.assert_array_equal(np.lexsort((whole[1], whole[2], whole[0])), np.arange(whole[0].size))
    apart = matching.separation(*(c[:, None] for c in one), *two)
    assert {*zip(*(part.tolist() for part in whole[:2]))} == {
        *zip(*map(np.ndarray.tolist, np.nonzero(apart <= radius)))
    }
    monkeypatch.setattr(candidates, "STRIP", strip)
    for a, b in zip(matching.pairs(*one, *two, radius), whole):
        np.testing.assert_array_equal(a, b)
    i, j, _ = matching.pairs(*two, *one, radius)
    assert {*zip(j.tolist(), i.tolist())} == {*zip(whole[0].tolist(), whole[1].tolist())}


def test_two_groups_far_apart_are_beside_nothing():
    ra = np.array([10.0, 10.1, 20.0, 20.1, 20.2])
    assert not grouping.beside_another_group(ra, np.zeros(5), [0, 0, 1, 1, 1], 5.0).any()


@pytest.mark.parametrize("sizes", [(300, 300), (20, 4000), (4000, 20)])
def test_pairs_agree_with_astropy(sizes):
    rng = np.random.default_rng(5)
    one, two = ((rng.uniform(-0.3, 0.3, n) % 360, rng.uniform(-0.3, 0.3, n)) for n in sizes)
    i, j, distance = matching.pairs(*one, *two, 60.0)
    a, b = (SkyCoord(*p, unit="deg") for p in (one, two))
    ia, jb, gap, _ = search_around_sky(a, b, 60 * u.arcsec)
    assert i.size > 10
    assert {*zip(i.tolist(), j.tolist())} == {*zip(ia.tolist(), jb.tolist())}
    order = np.lexsort((jb, gap, ia))
    np.testing.assert_allclose(distance, gap[order].arcsec, atol=1e-7)


@pytest.mark.parametrize("sizes", [(60, 3000), (3000, 60), (1500, 1500)])
def test_pairs_all_over_the_sphere_agree_with_astropy(sizes):
    rng = np.random.default_rng(8)
    centres = np.column_stack([rng.uniform(0, 360, 40), np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))])
    centres[:6] = [(0, 0), (180, 1), (359.999, 40), (180.001, -40), (10, 89.999), (200, -89.999)]
    one, two = [], []
    for places, size in ((one, sizes[0]), (two, sizes[1])):
        at = centres[rng.integers(0, 40, size)]
        dec = np.clip(at[:, 1] + rng.normal(0, 0.01, size), -90, 90)
        places += [(at[:, 0] + rng.normal(0, 0.01, size) / np.maximum(np.cos(np.radians(dec)), 1e-4)) % 360, dec]
    i, j, _ = matching.pairs(*one, *two, 40.0)
    a, b = (SkyCoord(*p, unit="deg") for p in (one, two))
    ia, jb, _, _ = search_around_sky(a, b, 40 * u.arcsec)
    assert i.size > 100
    assert {*zip(i.tolist(), j.tolist())} == {*zip(ia.tolist(), jb.tolist())}


def test_the_pole_is_one_place_at_every_right_ascension():
    index, distance, count = matching.nearest([10.0], [90.0], [200.0, 300.0], [90.0, 90.0 - 3 / 3600], 5.0)
    assert index.tolist() == [0]
    assert count.tolist() == [2]
    assert distance[0] == pytest.approx(0, abs=1e-9)


def test_small_separations_keep_their_digits():
    step = 1e-6 / 3600  # a micro-arcsecond
    assert matching.separation(10.0, 0.0, 10.0, step) == pytest.approx(1e-6, rel=1e-6)


def test_the_radius_is_included():
    index, _, _ = matching.nearest([0.0], [0.0], [0.0], [5 / 3600], 5.0 + 1e-9)
    assert index[0] == 0
    index, distance, count = matching.nearest([0.0], [0.0], [0.0], [5 / 3600], 4.999999)
    assert index[0] == -1
    assert np.isnan(distance[0])
    assert count[0] == 0


def test_of_equally_near_ones_the_first_in_order_is_taken():
    ra, dec = [0.0, 0.0, 0.0], [2 / 3600, -1 / 3600, 1 / 3600]
    assert matching.nearest([0.0], [0.0], ra, dec, 5.0)[0][0] == 1
    assert matching.nearest([0.0], [0.0], ra[::-1], dec[::-1], 5.0)[0][0] == 0


def test_nothing_matches_nothing():
    assert matching.pairs([], [], [1.0], [1.0], 5.0)[0].size == 0
    index, distance, count = matching.nearest([1.0], [1.0], [], [], 5.0)
    assert index.tolist() == [-1]
    assert np.isnan(distance).all()
    assert count.tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(offsets, st.integers(0, 100))
def test_friends_of_friends_are_the_connected_ones_in_any_order(steps, seed):
    ra, dec = around((359.9999, 45.0), steps)
    label = grouping.groups(ra, dec, 5.0)
    link = np.eye(len(ra), dtype=bool)
    link[tuple(np.array(slow_pairs(ra, dec, ra, dec, 5.0)).T)] = True
    for _ in ra:
        link = link @ link
    np.testing.assert_array_equal(label, link.argmax(axis=1))
    order = np.random.default_rng(seed).permutation(len(ra))
    again = grouping.groups(ra[order], dec[order], 5.0)
    same = label[:, None] == label
    np.testing.assert_array_equal(again[:, None] == again, same[np.ix_(order, order)])
