"""Hosts are drawn for two populations at once, each trial keeps the density it was drawn with, and
both are told without bias.
"""

import numpy as np
import pandas as pd
import pytest

from lenscal import config
from lenscal.injections import density, populations, prior_sets, priors
from lenscal.kernels import draws

SETTINGS = config.Injections(trials=200, lenses_min=20)


def rows(n, seed, mag=19.2, gr=1.1, ebv=0.1, pool="N1", first=0):
    """Rows of a manifest behind some dust, with the photometry of galaxies about a colour."""
    rng = np.random.default_rng(seed)
    z = mag + 0.5 * rng.standard_normal(n)
    g_r, r_z = gr + 0.25 * rng.standard_normal(n), 0.5 * gr + 0.1 * rng.standard_normal(n)
    light = {"z": z, "r": z + r_z, "g": z + r_z + g_r}
    dust = {"g": 3.214, "r": 2.165, "z": 1.211}
    extinction = ebv * rng.uniform(0.2, 3, n)
    table = pd.DataFrame(
        {
            "galaxy_id": first + np.arange(n),
            "pool": pool,
            "shape_e1": 0.1 * rng.standard_normal(n),
            "shape_e2": 0.1 * rng.standard_normal(n),
        }
    )
    table["shape_r"], table["sersic"] = np.exp(0.2 * rng.standard_normal(n)), rng.uniform(1, 6, n)
    table["ra"], table["dec"] = 150 + rng.uniform(-0.5, 0.5, n), 2 + rng.uniform(-0.5, 0.5, n)
    for band, magnitude in light.items():
        table[f"mw_transmission_{band}"] = 10 ** (-0.4 * dust[band] * extinction)
        table[f"flux_{band}"] = 10 ** (0.4 * (22.5 - magnitude)) * table[f"mw_transmission_{band}"]
    return table, np.column_stack([z, g_r, r_z])


def test_features_are_dereddened_light_and_shape_and_unknown_where_a_flux_is_none():
    table, true = rows(50, 1)
    table.loc[3, "flux_g"], table.loc[4, "mw_transmission_z"], table.loc[5, "shape_r"] = -1.0, 0.0, 0.0
    found = populations.features(table)
    good = np.setdiff1d(np.arange(50), [3, 4])
    np.testing.assert_allclose(found.to_numpy()[good, :3], true[good], atol=1e-6)
    assert np.isnan(found.loc[3, "host_colour_gr"])
    assert np.isnan(found.loc[4, "host_mag_z"])
    assert np.isnan(found.loc[5, "host_log_radius"])
    np.testing.assert_allclose(found["host_ellipticity"], np.hypot(table["shape_e1"], table["shape_e2"]))


def test_an_arcs_light_is_taken_off_before_the_galaxy_is_compared():
    table, true = rows(20, 2)
    arc = np.column_stack([table[f"flux_{band}"] * share for band, share in (("g", 0.5), ("r", 0.2), ("z", 0.05))])
    lit = table.assign(**{f"flux_{band}": table[f"flux_{band}"] + arc[:, i] for i, band in enumerate("grz")})
    np.testing.assert_allclose(populations.features(lit, arc).to_numpy()[:, :3], true, atol=1e-6)
    assert (populations.features(lit)["host_colour_gr"] < true[:, 1]).all()


def test_neighbours_count_by_their_light_within_reach_and_the_galaxy_itself_does_not():
    table, _ = rows(2, 3)
    table["ra"], table["dec"], table["flux_r"] = [359.9999, 40.0], [-30.0, 10.0], [10.0, 10.0]
    arcsec = 1 / 3600
    around = pd.DataFrame(
        {
            "ra": [359.9999, (359.9999 + 3 * arcsec / np.cos(np.radians(30))) % 360, 359.9999, 40.0, 40.0],
            "dec": [-30.0, -30.0, -30.0 + 7 * arcsec, 10.0 + 0.2 * arcsec, 10.0],
            "flux_r": [10.0, 5.0, 50.0, 3.0, 10.0],
        }
    )
    np.testing.assert_allclose(populations.neighbours(table, around), [np.log10(0.51), np.log10(0.01)], atol=1e-6)
    assert np.isnan(populations.neighbours(table.assign(ra=[np.nan, 40.0]), around)[0])


@pytest.fixture(scope="module")
def sample():
    pool, _ = rows(3000, 4)
    lenses, _ = rows(60, 5, mag=18.8, gr=1.45, first=10_000, pool="positive")
    return pool, lenses


def test_the_ratio_turns_the_pool_into_lenses(sample):
    pool, lenses = (populations.features(table.set_index("galaxy_id", drop=False)) for table in sample)
    ratio = density.density_ratio(lenses, pool, pool, 7)
    for name in ("host_mag_z", "host_colour_gr", "host_colour_rz"):
        assert np.average(pool[name], weights=ratio) == pytest.approx(lenses[name].mean(), abs=0.12)
        assert abs(pool[name].mean() - lenses[name].mean()) > 0.15
    assert ratio.mean() == pytest.approx(1, abs=0.15)


def test_a_galaxy_never_vouches_for_itself_and_the_ratio_does_not_hang_on_order(sample):
    pool, lenses = (populations.features(table.set_index("galaxy_id", drop=False)) for table in sample)
    ratio = density.density_ratio(lenses, pool, pool.iloc[::-1], 7)[::-1]
    np.testing.assert_allclose(ratio, density.density_ratio(lenses, pool, pool, 7), rtol=1e-6)
    shifted = pool.copy()
    shifted.iloc[0] = lenses.iloc[
        0
    ]  # a galaxy of the pool that looks as a lens is weighed by a fit that has not seen it
    assert density.density_ratio(lenses, shifted, shifted.iloc[:1], 7)[0] > 1


def test_no_difference_is_no_ratio(sample):
    pool = populations.features(sample[0].set_index("galaxy_id", drop=False))
    ratio = density.density_ratio(pool.iloc[:300], pool.iloc[300:], pool.iloc[300:], 7)
    assert ratio.std() < 0.5
    missing = pool.iloc[300:310].assign(host_mag_z=np.nan)
    assert (density.density_ratio(pool.iloc[:300], pool.iloc[300:], missing, 7) == 0).all()


def cells(n=40, ratio=None):
    hosts = pd.DataFrame(
        {
            "galaxy_id": np.arange(2 * n),
            "psf_fwhm": np.repeat([1.0, 1.2], n),
            "depth": 23.5,
            "rank": np.tile(np.arange(n), 2),
        }
    )
    return populations.densities(hosts, ratio, 0.6)


def test_densities_sum_to_one_in_every_cell_and_a_cell_without_lenslike_galaxies_is_drawn_evenly():
    ratio = np.random.default_rng(1).lognormal(sigma=1.5, size=80)
    ratio[40:] = 0
    table = cells(ratio=ratio)
    for name in ("density_survey", "density_lens_like", "density_drawn"):
        sums = table.groupby("psf_fwhm")[name].sum(min_count=1)
        assert sums[1.0] == pytest.approx(1)
    assert table.loc[40:, "density_lens_like"].isna().all()
    assert (table.loc[40:, "density_drawn"] == 1 / 40).all()
    assert "density_lens_like" not in cells()


def test_more_trials_leave_the_first_as_they_are_and_each_host_has_its_share():
    table = cells(ratio=np.random.default_rng(2).lognormal(sigma=1.5, size=80)).iloc[:40]
    few, many = (populations.hosts_of_trials(table, np.arange(n), 0.3) for n in (200, 2000))
    np.testing.assert_array_equal(few, many[:200])
    counts = np.bincount(many, minlength=40)
    assert np.abs(counts - 2000 * table["density_drawn"]).max() < 4
    even = cells().iloc[:40]
    np.testing.assert_array_equal(populations.hosts_of_trials(even, np.arange(100), 0.3), np.arange(100) % 40)


def test_both_populations_are_told_from_the_same_trials():
    ratio = np.random.default_rng(3).lognormal(sigma=1.2, size=80)
    table = cells(ratio=ratio).iloc[:40].reset_index(drop=True)
    truth = draws.uniform(5, "truth", table["galaxy_id"].to_numpy())  # what is found of each host
    row = populations.hosts_of_trials(table, np.arange(4000), 0.1)
    for name in ("density_survey", "density_lens_like"):
        weight = (table[name] / table["density_drawn"]).to_numpy()[row]
        assert np.average(truth[row], weights=weight) == pytest.approx(np.average(truth, weights=table[name]), abs=0.01)


def populated(**changes):
    manifest = pd.concat(
        [rows(400, 6)[0], rows(60, 7, mag=18.8, gr=1.45, first=10_000, pool="positive")[0]], ignore_index=True
    )
    hosts = pd.DataFrame({"galaxy_id": np.arange(0, 400, 2), "psf_fwhm": np.tile([1.0, 1.2], 100), "depth": 23.5})
    arcs = pd.DataFrame({f"arc_{band}": 0.3 for band in "grz"}, index=10_000 + np.arange(60))
    return populations.populate(hosts, manifest, arcs, None, SETTINGS.model_copy(update=changes), 7)


def test_too_few_known_lenses_tell_no_population_and_the_gate_says_so():
    table, known = populated(lenses_min=100)
    assert known == 60
    assert "density_lens_like" not in table
    gate = populations.gates(table, known, SETTINGS.model_copy(update={"lenses_min": 100}))[0]
    assert gate.verdict == "not judged"
    assert "60 known lenses" in gate.cannot
    assert (
        populations.gates(table, known, SETTINGS.model_copy(update={"host_populations": ["survey"]}))[0].verdict
        == "not applicable"
    )


def test_the_bracket_of_the_arcs_light_is_kept_beside_the_population():
    table, known = populated()
    assert known == 60
    assert populations.gates(table, known, SETTINGS)[0].verdict == "pass"
    none, all_ = table["density_lens_like_arc_none"], table["density_lens_like_arc_all"]
    colour = [np.average(table["host_colour_gr"], weights=p) for p in (none, table["density_lens_like"], all_)]
    assert colour[0] < colour[1] < colour[2]  # less blue light, redder hosts


def test_the_gate_fails_where_lenslike_hosts_are_hardly_drawn():
    table = cells(ratio=np.random.default_rng(1).lognormal(sigma=1.5, size=80)).iloc[:40]
    drawn = np.full(40, 1 / 40)
    rare = np.zeros(40)
    rare[0] = 1.0
    gate = populations.gates(table.assign(density_lens_like=rare, density_drawn=drawn), 60, SETTINGS)[0]
    assert gate.verdict == "fail"


def test_source_densities_are_those_that_proposals_are_drawn_with():
    """The logarithms average the inverse density to the volume of the parameters, one quantity at a time."""
    for quantity in (
        {"measure": "uniform", "low": 0.2, "high": 0.7},
        {"measure": "counts", "low": 22.0, "high": 26.0, "slope": -0.3},
        {"measure": "counts", "low": 22.0, "high": 26.0, "slope": 0.316},
        {"measure": "log", "low": 0.1, "high": 0.5},
        {"measure": "disc", "low": 0.05, "high": 0.45},
    ):
        u = (np.arange(20_000) + 0.5) / 20_000
        value = priors.quantile(quantity, u)
        assert np.mean(np.exp(-priors._log_density(quantity, value))) == pytest.approx(
            quantity["high"] - quantity["low"], rel=2e-3
        )
        assert np.isneginf(
            priors._log_density(quantity, np.array([quantity["low"] - 0.01, quantity["high"] + 0.01]))
        ).all()


def test_stored_densities_are_the_product_of_independent_measures():
    ids = np.arange(500)
    drawn = priors.propose("rest-frame-colours", np.full(500, 1.5), ids, 3, 0)
    found = priors.log_density("rest-frame-colours", drawn, 0.25)
    prior = prior_sets.named("rest-frame-colours")
    by_hand = np.full(500, -np.log(0.25) - 2 * np.log(np.pi) - np.log(2 * np.pi))
    for name in ("q", "gamma1", "gamma2", "lens_x", "lens_y", "beta_fraction", "n", "r_e", "source_q", "mag_r"):
        by_hand += priors._log_density(prior[name], drawn[name])
    by_hand += priors._log_density(prior["colour_gr"], drawn["mag_g"] - drawn["mag_r"]) + priors._log_density(
        prior["colour_rz"], drawn["mag_r"] - drawn["mag_z"]
    )
    np.testing.assert_allclose(found, by_hand)
