"""Systematic errors stand beside the statistical one by name, and the total holds both."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from cubes import SETTINGS_2, drawn, thresholds
from scipy.special import expit, logit

from lenscal import completeness, config, schema


@pytest.fixture(scope="module")
def counts():
    """Counts of trials whose hosts stand unequally often in a second population."""
    injections, scores = drawn(trials=40, hosts=10)
    host = injections["galaxy_id"]
    like = np.log(1 + host % 10)
    densities = {
        "log_density_host": np.log(0.1) + 0 * host,
        "log_density_survey": np.log(0.1) + 0 * host,
        "log_density_lens_like": np.log(0.1) + like,
    }
    return completeness.count(injections.assign(densities), scores, thresholds(0.0, 1.0), SETTINGS_2)


def test_shift_is_antisymmetric_and_finite_at_the_ends():
    assert completeness.shift(0.3, 0.6, 200) == pytest.approx(-completeness.shift(0.6, 0.3, 200))
    assert completeness.shift(0.0, 1.0, 50) == pytest.approx(logit(50.5 / 51) - logit(0.5 / 51))


def test_the_cube_holds_both_populations_and_the_survey_is_as_without_the_other(counts):
    both = completeness.posteriors(counts, SETTINGS_2)
    assert both["population"].values.tolist() == ["survey", "lens-like"]
    alone = completeness.posterior(counts, SETTINGS_2)
    one = completeness.of_population(both, "survey")
    for name in ("completeness", "lower", "upper", "n_effective", "status"):
        np.testing.assert_array_equal(one[name].values, alone[name].transpose(*one[name].dims).values)
    with pytest.raises(ValueError, match="survey, lens-like, not 'mine'"):
        completeness.of_population(both, "mine")


def test_a_weighted_population_is_the_weighted_share_of_its_hosts(counts):
    cube = completeness.of_population(completeness.posteriors(counts, SETTINGS_2), "lens-like")
    weight = 1 + counts["host_id"].values % 10
    own = (counts["host_psf_fwhm"].values == 1.1) & (counts["host_depth"].values == 23.5)
    n, k = counts["host_injected"].values[1, own], counts["host_detected"].values[1, 0, own]
    expected = (weight[own] * k).sum() / (weight[own] * n).sum()
    assert cube["fraction_detected"].values[1, 0, 0, 0] == pytest.approx(expected)
    assert cube["hosts_effective"].values[1, 0, 0] < counts["n_hosts"].values[1, 0, 0]
    assert (cube["n_effective"] <= cube["n_injected"] + 1e-9).all()


def test_total_is_the_statistical_interval_where_nothing_else_is_known(counts):
    cube = completeness.budget(completeness.posteriors(counts, SETTINGS_2), {})
    assert cube.sizes["cause"] == 0
    known = cube["n_effective"].values > 0
    for end in ("lower", "upper"):
        np.testing.assert_allclose(cube[f"total_{end}"].values[known], cube[end].values[known], atol=1e-12)


def test_causes_add_in_quadrature_and_each_to_its_own_side(counts):
    plain = completeness.posterior(counts, SETTINGS_2)
    cube = completeness.budget(plain, {"survey": {"source prior": [-0.5, -0.2], "PSF profile": [0.3]}})
    middle = plain["completeness"].sel(quantile=0.5).values[1, 0, 0, 0]
    low = cube["systematic_lower"].sel(cause="source prior").values[1, 0, 0, 0]
    assert low == pytest.approx(middle - expit(logit(middle) - 0.5))
    assert cube["systematic_upper"].sel(cause="source prior").values[1, 0, 0, 0] == 0
    apart = middle - plain["lower"].values[1, 0, 0, 0, 0]
    assert cube["total_lower"].values[1, 0, 0, 0, 0] == pytest.approx(middle - np.hypot(apart, low))
    assert (cube["total_lower"] <= cube["lower"] + 1e-12).where(np.isfinite(cube["lower"]), True).all()
    assert (
        (cube["total_lower"].sel(level=0.95) <= cube["total_lower"].sel(level=0.6827))
        .where(np.isfinite(middle), True)
        .values[1, 0, 0, 0]
    )


def test_cells_without_data_have_no_total(counts):
    cube = completeness.budget(completeness.posterior(counts, SETTINGS_2), {"survey": {"source prior": [-0.5]}})
    assert np.isnan(cube["total_lower"].sel(psf_fwhm=1.4, depth=24.0)).all()
    assert np.isnan(cube["systematic_lower"].sel(psf_fwhm=1.4, depth=24.0)).all()


def test_brackets_name_their_causes_and_the_population_is_one(counts):
    changes = pd.DataFrame(
        {
            "kind": ["morphology", "prior", "control", "moffat"],
            "base": 0.5,
            "changed": [0.45, 0.3, 0.0, np.nan],
            "pairs": [100, 100, 100, 0],
            "why_not": ["", "", "", "no stamps"],
        }
    )
    hosts = pd.DataFrame({"galaxy_id": counts["host_id"].values, "density_drawn": 0.1})
    hosts["density_lens_like_arc_none"], hosts["density_lens_like_arc_all"] = (
        0.1,
        0.1 * (1 + hosts["galaxy_id"] % 10) ** 2,
    )
    shifts = completeness.brackets(counts, hosts, changes, SETTINGS_2)
    assert (
        shifts["survey"].keys()
        == shifts["lens-like"].keys()
        == {"source morphology", "source prior", "host population"}
    )
    assert len(shifts["lens-like"]["host population"]) == 2
    toward = completeness.posteriors(counts, SETTINGS_2)["fraction_detected"].isel(threshold=0)
    means = {name: float(toward.sel(population=name).mean()) for name in ("survey", "lens-like")}
    assert shifts["survey"]["host population"][0] == pytest.approx(logit(means["lens-like"]) - logit(means["survey"]))


def test_counts_of_hosts_drawn_otherwise_do_not_add(counts):
    other = counts.assign(
        host_weight=counts["host_weight"] * np.where(counts["population"] == "lens-like", 2.0, 1.0)[:, None]
    )
    with pytest.raises(ValueError, match="drawn with another density"):
        completeness.add(counts, other)
    with pytest.raises(ValueError, match="other populations of hosts"):
        completeness.add(counts, counts.isel(population=[0]))


def test_a_cube_without_densities_is_of_the_survey_alone():
    cube = completeness.posteriors(completeness.count(*drawn(), thresholds(0.0, 1.0), SETTINGS_2), SETTINGS_2)
    assert cube["population"].values.tolist() == ["survey"]
    assert isinstance(
        schema.COMPLETENESS.check(
            cube.assign(
                area=xr.zeros_like(cube["n_hosts"].isel(theta_e=0, drop=True), float).assign_attrs(units="degree^2"),
                host_pool=xr.zeros_like(cube["n_hosts"].isel(theta_e=0, drop=True)),
            )
        ),
        xr.Dataset,
    )
    assert config.Completeness().population == "lens-like"


def test_an_axis_of_hosts_parts_the_trials_of_the_cube_and_each_class_is_a_cube_of_its_own():
    injections, scores = drawn(trials=40, hosts=10)
    host = injections["galaxy_id"]
    colour = (0.3 + 0.15 * (host % 10)).where(host >= 0).astype("f4").assign_attrs(units="mag")
    kind = xr.where(host % 2 == 0, "DEV", "SER").where(host >= 0, "")
    injections = injections.assign(host_colour_gr=colour, host_type=kind)
    whole = completeness.count(injections, scores, thresholds(0.0, 1.0), SETTINGS_2)
    for axis, classes in (("host_type", ["DEV", "SER"]), ("host_colour_gr", [0.3, 0.75, 1.05, 1.35, 1.8])):
        cube = completeness.by_host(injections, scores, thresholds(0.0, 1.0), SETTINGS_2, axis)
        assert cube[axis].values.tolist() == classes
        np.testing.assert_array_equal(
            cube["n_injected"].sum(axis).transpose(*schema.CELL), whole["n_injected"].transpose(*schema.CELL)
        )
        np.testing.assert_array_equal(
            cube["n_detected"].sum(axis).transpose(*schema.CELL, "threshold"),
            whole["n_detected"].transpose(*schema.CELL, "threshold"),
        )
        assert cube["completeness"].dims[0] == axis or axis in cube["completeness"].dims
    with pytest.raises(ValueError, match="no axis of hosts"):
        completeness.by_host(injections, scores, thresholds(0.0, 1.0), SETTINGS_2, "host_mag_r")
    with pytest.raises(ValueError, match="lack 'host_type'"):
        completeness.by_host(injections.drop_vars("host_type"), scores, thresholds(0.0, 1.0), SETTINGS_2, "host_type")
