"""Radii beyond which light does not matter: in closed form as by a search."""

import numba
import numpy as np

from lenscal.kernels import brightness, light


@numba.njit(error_model="numpy")
def both_radii(area, tolerance, b, n, core2, bump):
    searched = brightness.radius_of_change(area, 1e30, tolerance, b, n, core2, bump)
    return searched, brightness.radius_of_light(area, tolerance, b, n, core2, bump)


def test_the_radius_beyond_which_light_does_not_matter_is_the_one_that_a_search_finds():
    rng = np.random.default_rng(4)
    found = []
    for n in rng.uniform(0.3, 8, 20_000):
        b = float(light.sersic_b(n))
        area = 10 ** rng.uniform(-14, 4) * np.exp(-b)
        found.append(both_radii(area, 10 ** rng.uniform(-6, -2), b, n, 10 ** rng.uniform(-8, 0), rng.uniform(0, 10)))
    searched, known = np.array(found).T
    assert np.array_equal(searched, known)
    assert {-1.0} < set(searched)
    assert searched.max() > 50
