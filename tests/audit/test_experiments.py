"""Experiments: the same trials with one thing changed. Transforms do what they say, pairs are
counted, shares sum to the gap.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import config, experiments
from lenscal.audit import experiments as run
from lenscal.audit.experiments import writing
from lenscal.audit.experiments.lenses import lenses_of
from lenscal.engine import PlanError
from lenscal.experiments import Paired, Variant, arms, paired, views
from lenscal.kernels import twosamples

run_arms, run_causal, bench = (sys.modules[f"lenscal.audit.experiments.{name}"] for name in ("arms", "causal", "bench"))

SIZE, CENTRE = 65, 32


def galaxy(n=2, flux=(1.0, 2.0, 4.0)):
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    light = np.exp(-np.hypot(x, y) / 4)
    return np.repeat((np.array(flux)[:, None, None] * light)[None], n, 0)


def ring(n=2, flux=(0.5, 0.5, 0.5)):
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    return np.repeat(
        (np.array(flux)[:, None, None] * np.exp(-0.5 * ((np.hypot(x, y) - 7) / 1.2) ** 2) * (x > 0))[None], n, 0
    )


def made(host=None, arc=None, sigma=1e-4, colours=(0.5, 0.3), unobserved=True):
    host = galaxy() if host is None else host
    arc = ring() if arc is None else arc
    if unobserved:
        host = host.copy()
        host[0, 1, :5, :7] = np.nan
    n = len(host)
    lags = np.zeros((n, 3, 4, 7))
    lags[:, :, 0, 3], lags[:, :, 0, 4], lags[:, :, 0, 2], lags[:, :, 1, 3] = 1, 0.3, 0.3, 0.3
    return views.Views(
        host + arc,
        host,
        arc,
        np.full((n, 3), sigma),
        lags,
        np.full((n, 3), 1.2),
        np.broadcast_to(np.array(colours), (n, 2)),
        np.arange(n) + 5,
        0.262,
    )


CHANGES = {
    "host alone": views.host_alone,
    "blank sky": lambda v: views.blank_sky(v, 3),
    "arc on blank sky": lambda v: views.arc_on_blank_sky(v, 3),
    "recoloured": lambda v: views.recoloured(v, v.image, np.array([1.5, 0.8])),
    "relit": lambda v: views.relit(v, v.image, np.full((2, 3), 0.5)),
    "subtracted with arc": lambda v: views.host_subtracted(v, True),
    "subtracted without arc": lambda v: views.host_subtracted(v, False),
    "clipped": lambda v: views.clipped(v, 99.5),
    "blurred": lambda v: views.blurred(v, 0.2),
    "arc blurred": lambda v: views.blurred(v, 0.2, "arc"),
    "host blurred": lambda v: views.blurred(v, 0.2, "host"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_not_observed_stays_so_and_the_rest_is_finite(name):
    seen = made()
    before = {key: getattr(seen, key).copy() for key in ("image", "host", "smooth_arc")}
    image = CHANGES[name](seen)
    assert image.shape == seen.image.shape
    np.testing.assert_array_equal(np.isnan(image), np.isnan(seen.host))
    for key, value in before.items():
        np.testing.assert_array_equal(getattr(seen, key), value)  # nothing is changed in place


def test_the_arc_removed_leaves_the_host_and_on_blank_sky_leaves_the_arc():
    seen = made()
    np.testing.assert_array_equal(views.host_alone(seen), seen.host)
    np.testing.assert_allclose(views.arc_on_blank_sky(seen, 3) - views.blank_sky(seen, 3), seen.arc, atol=1e-12)


def test_blank_sky_has_the_noise_and_the_neighbours_correlation_of_the_host():
    many = made(galaxy(40), ring(40), sigma=0.02, unobserved=False)
    sky = views.blank_sky(many, 3)
    assert sky.std() == pytest.approx(0.02, rel=0.02)
    beside = (sky[..., 1:] * sky[..., :-1]).mean() / sky.var()
    assert beside == pytest.approx(0.3, abs=0.03)
    assert abs(sky.mean()) < 0.001
    np.testing.assert_array_equal(views.blank_sky(many, 3), sky)
    assert not np.allclose(views.blank_sky(many, 4), sky)


def test_a_recoloured_host_has_the_colours_asked_for_and_its_arc_stays():
    seen = made(arc=np.zeros((2, 3, SIZE, SIZE)), colours=(-2.5 * np.log10(1 / 2), -2.5 * np.log10(2 / 4)))
    image = views.recoloured(seen, seen.image, np.array([1.4, 0.7]))
    inner = (slice(None), slice(None), slice(25, 40), slice(25, 40))
    flux = np.nansum(image[inner], (2, 3))
    np.testing.assert_allclose(-2.5 * np.log10(flux[:, 0] / flux[:, 1]), 1.4, atol=0.02)
    np.testing.assert_allclose(-2.5 * np.log10(flux[:, 1] / flux[:, 2]), 0.7, atol=0.02)
    np.testing.assert_allclose(image[:, 1], seen.image[:, 1])  # r is what it was
    with_arc = made()
    change = views.recoloured(with_arc, with_arc.image, np.array([1.4, 0.7])) - views.recoloured(
        with_arc, with_arc.host, np.array([1.4, 0.7])
    )
    np.testing.assert_allclose(change, with_arc.arc, atol=1e-12)


@pytest.mark.parametrize("what", ["recoloured", "relit"])
def test_a_colour_that_nobody_knows_changes_nothing(what):
    seen = made(colours=(np.nan, np.nan))
    image = (
        views.recoloured(seen, seen.image, np.ones(2))
        if what == "recoloured"
        else views.relit(seen, seen.image, np.full((2, 3), np.nan))
    )
    np.testing.assert_array_equal(image, seen.image)


def test_a_host_subtracted_without_its_arc_leaves_the_arc():
    seen = made(unobserved=False)
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    beyond = (np.hypot(x, y) > 3) & (np.hypot(x, y) < 28)  # the cusp in the middle is no smooth light
    left = views.host_subtracted(seen, with_arc=False)
    assert np.abs(left - seen.arc)[..., beyond].max() < 0.05
    assert np.abs(seen.host[..., beyond]).max() > 1
    np.testing.assert_allclose(
        views.host_subtracted(seen, with_arc=True), seen.image - views.smooth(seen.image, seen.sigma, 0)
    )


def test_clipping_cuts_the_brightest_pixels_of_each_band_and_no_others():
    seen = made()
    image = views.clipped(seen, 99.0)
    top = np.nanpercentile(seen.image, 99, axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(image, np.minimum(seen.image, top))
    changed = np.nansum(image != seen.image, (2, 3)) - np.isnan(seen.image).sum((2, 3))
    assert (np.abs(changed - 0.01 * SIZE**2) <= 8).all()  # pixels around a round galaxy are alike by eights


@pytest.mark.parametrize(("what", "light"), [("arc", "smooth_arc"), ("host", "host_model"), ("both", None)])
def test_blurring_keeps_the_light_and_widens_it_and_leaves_the_noise(what, light):
    noise = np.random.default_rng(1).normal(0, 0.01, (2, 3, SIZE, SIZE))
    plain = made(unobserved=False)
    seen = made(host=galaxy() + noise, sigma=0.01, unobserved=False)
    image = views.blurred(seen, 0.4, what)
    assert image.sum() == pytest.approx(seen.image.sum(), rel=1e-3)
    middle = np.s_[:, :, CENTRE - 1 : CENTRE + 2, CENTRE - 1 : CENTRE + 2]
    if what == "arc":
        assert np.abs(image - seen.image)[middle].max() < 0.03  # the galaxy's middle is what it was
    else:
        assert (image[middle] < seen.image[middle]).all()
    far = np.s_[:, :, :6, :6]  # nothing but noise there
    np.testing.assert_allclose(image[far] - seen.image[far], 0, atol=0.003)
    assert np.abs(views.blurred(plain, 0.0, what) - plain.image).max() < 1e-12
    if light is not None:
        assert np.abs(image - seen.image).max() < 1.2 * np.abs(getattr(seen, light)).max()


def test_a_gaussian_is_as_wide_as_the_worse_seeing_says():
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    width = 1.2 / views.FWHM / 0.262
    star = np.repeat(np.exp(-0.5 * (x**2 + y**2) / width**2)[None, None], 3, 1)
    seen = made(host=np.zeros((1, 3, SIZE, SIZE)), arc=star, unobserved=False)
    image = views.blurred(seen, 0.3, "arc")[0, 0]
    found = np.sqrt((image * x**2).sum() / image.sum()) * views.FWHM * 0.262
    assert found == pytest.approx(1.5, rel=0.02)


def test_pairs_are_counted_and_those_without_an_outcome_left_out():
    base, changed = np.array([1, 1, 1, 0, 0, np.nan, 1]), np.array([1, 0, 0, 1, 0, 1, np.nan])
    pair = Paired.of(base, changed)
    assert (pair.both, pair.lost, pair.won, pair.neither) == (1, 2, 1, 1)
    row = pair.row()
    assert tuple(row) == paired.COLUMNS
    assert (row["pairs"], row["base"], row["changed"], row["change"]) == (5, 0.6, 0.4, pytest.approx(-0.2))
    assert row["from_95"] < row["change"] < row["to_95"]
    assert (row["p"], row["mid_p"]) == twosamples.mcnemar(2, 1)


@pytest.mark.parametrize("tied", [0, 1, 4])
def test_as_many_won_as_lost_is_no_change_and_an_exact_p_of_one(tied):
    row = Paired(5, tied, tied, 5).row()
    assert (row["change"], row["p"]) == (0, 1)
    assert row["mid_p"] == (1 if tied == 0 else pytest.approx(twosamples.mcnemar(tied, tied)[1]))
    assert row["from_95"] <= 0 <= row["to_95"]


def test_arms_of_other_trials_are_refused_and_no_pair_is_no_number():
    with pytest.raises(ValueError, match="3 and 2 outcomes"):
        Paired.of(np.ones(3), np.ones(2))
    row = Paired.of(np.array([np.nan]), np.array([1.0])).row()
    assert row["pairs"] == 0
    assert np.isnan([row["base"], row["change"], row["from_95"]]).all()


def test_scores_are_judged_by_the_threshold_of_their_own_arm():
    base, changed = np.array([0.0, 1.0, 2.0, np.nan]), np.array([5.0, 7.0, 6.0, 9.0])
    assert Paired.of_scores(base, changed, 1.0, 6.5) == Paired(1, 1, 0, 1)
    table = experiments.compared(
        paired.found(base, 1.0), {"one": paired.found(changed, 6.5), "same": paired.found(base, 1.0)}
    )
    assert table["name"].tolist() == ["one", "same"]
    assert table["change"].tolist() == pytest.approx([-1 / 3, 0])


def test_every_subset_of_factors_takes_the_columns_of_its_factors_and_no_others():
    columns = [name for names in experiments.FACTORS.values() for name in names]
    assert len(columns) == len(set(columns))
    truth, drawn = (pd.DataFrame({name: [value] * 3 for name in columns}) for value in (0, 1))
    subsets = experiments.crossed(tuple(experiments.FACTORS))
    assert len(set(subsets)) == 2 ** len(experiments.FACTORS)
    for subset in subsets:
        row = experiments.mixed(truth, drawn, subset).iloc[0]
        assert {name for name in columns if row[name] == 1} == {
            name for factor in subset for name in experiments.FACTORS[factor]
        }
    assert (truth == 0).to_numpy().all()


def test_shares_with_what_is_left_sum_to_the_whole_gap():
    rng = np.random.default_rng(8)
    factors = ("host", "offset", "mass")
    own = (rng.random(60) < 0.9).astype(float)
    found = {
        subset: (rng.random(60) < 0.9 - 0.2 * len(subset)).astype(float) for subset in experiments.crossed(factors)
    }
    found["host",][3] = own[4] = np.nan
    table, summary = experiments.gap(own, found, factors)
    assert table["factor"].tolist() == [arms.ENGINE, *factors]
    assert (summary["n"], summary["unfinished"]) == (58, 2)
    assert table["share"].sum() == pytest.approx(summary["gap"], abs=1e-12)
    assert summary["gap"] == pytest.approx(summary["trials"] - summary["own"])
    assert table["part"].sum() == pytest.approx(1)
    good = np.isfinite(own) & np.isfinite(found["host",])
    alone = Paired.of(found[()][good], found["host",][good]).row()
    assert table.set_index("factor").loc["host", "first_change"] == alone["change"]
    last = Paired.of(found["offset", "mass"][good], found[factors][good]).row()
    assert table.set_index("factor").loc["host", "last_change"] == last["change"]


def test_no_lens_with_all_scores_is_refused():
    with pytest.raises(ValueError, match="none of 2 lenses has a score in every arm"):
        experiments.gap(np.full(2, np.nan), {(): np.ones(2), ("host",): np.ones(2)}, ("host",))


def test_the_json_is_strict():
    value = writing.strict(
        {1: [np.float32(0.5), np.nan, np.int64(3), np.bool_(True), (np.inf,)], "text": "x", "none": None}
    )
    assert json.loads(json.dumps(value, allow_nan=False)) == {
        "1": [0.5, None, 3, True, [None]],
        "text": "x",
        "none": None,
    }


def test_a_variant_says_what_it_changes_and_nothing_else_by_default():
    variant = Variant("host", "alone")
    assert (variant.settings, variant.hosts, variant.transform, variant.detector, variant.why_not, variant.arc) == (
        None,
        None,
        None,
        None,
        "",
        True,
    )


def run_of(**changes):
    """As much of a run as the refusals look at."""
    of = {
        "seed": 7,
        "sky": object(),
        "mock": True,
        "frozen": None,
        "trained_on": 7,
        "hashes": {},
        "detector": "aaaa",
    } | changes
    settings = SimpleNamespace(
        seed=of["seed"],
        sky=of["sky"],
        survey=SimpleNamespace(mock=of["mock"]),
        detector=SimpleNamespace(artifact=of["frozen"]),
        stores=Path("nowhere"),
    )
    detector = SimpleNamespace(hash=of["detector"], mock=True, about={"seed": of["trained_on"]})
    return SimpleNamespace(
        settings=settings,
        detector=detector,
        store=lambda name, group=None: xr.Dataset(attrs={"detector_hash": of["hashes"].get(group or name, "aaaa")}),
    )


REFUSED = {
    "an experiment that there is not": ({}, {"sideways"}, 1, "there is no experiment 'sideways'"),
    "the run's own sky": ({}, {"arms"}, 7, "seed 7 is the run's own"),
    "the sky that trained a brought detector": ({"trained_on": 5}, {"fix"}, 5, "trained on the embedded sky of seed 5"),
    "a run without an embedded sky": ({"sky": None}, {"arms"}, 1, "no section `sky`"),
    "a run on the survey": ({"mock": False}, {"fix"}, 1, "survey.mock: false"),
    "a brought detector to be trained": ({"frozen": "elsewhere"}, {"fix"}, 1, "cannot be trained again"),
    "trials of another detector": (
        {"hashes": {"injections": "bbbb"}},
        {"causal"},
        1,
        "scores of the injections carry detector bbbb",
    ),
    "thresholds of another detector": (
        {"hashes": {"thresholds": "bbbb"}},
        {"causal"},
        1,
        "thresholds carry detector bbbb",
    ),
    "cutouts scored by another detector": (
        {"hashes": {"cutouts": ""}},
        {"arms"},
        1,
        "scores of the cutouts carry detector none",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_no_test_is_refused_by_name(monkeypatch, case):
    monkeypatch.setattr("lenscal.audit.pipeline.plan_of", lambda place: SimpleNamespace(done=lambda name: {}))
    changes, what, seed, words = REFUSED[case]
    with pytest.raises(PlanError, match=words):
        run.refuse(run_of(**changes), what, seed)
    run.refuse(run_of(), {"arms", "causal", "fix"}, 1)  # and nothing else is


@pytest.mark.parametrize("stage", ["injections", "detector", "scores", "judgement", "completeness"])
def test_a_run_that_is_not_complete_is_refused_with_the_stage(monkeypatch, stage):
    monkeypatch.setattr(
        "lenscal.audit.pipeline.plan_of", lambda place: SimpleNamespace(done=lambda name: None if name == stage else {})
    )
    with pytest.raises(PlanError, match=f"experiments read {stage}, which is not complete"):
        run.refuse(run_of(), {"causal"}, 1)


def test_tests_of_trials_alone_need_no_sky(monkeypatch):
    monkeypatch.setattr("lenscal.audit.pipeline.plan_of", lambda place: SimpleNamespace(done=lambda name: {}))
    run.refuse(run_of(sky=None, mock=False), {"causal"}, 7)
    assert run.skies(run_of().settings, {"causal"}, 1, 10) == {}


def test_a_sky_whose_truth_is_gone_is_refused(tmp_path):
    sky = SimpleNamespace(survey=SimpleNamespace(root=str(tmp_path)), seed=3)
    with pytest.raises(PlanError, match=r"has no truth/truth\.parquet"):
        lenses_of(run_of(), sky, None, 4)


HOSTS = pd.DataFrame(
    {
        "galaxy_id": [10, 11, 12, 20, 30],
        "rank": [1, 0, 2, 0, 0],
        "psf_fwhm": [1.0, 1.0, 1.0, 1.5, 1.5],
        "depth": [23.0, 23.0, 23.0, 23.0, 24.0],
        "density_lens_like": [0.0, 1.0, 0.0, 1.0, np.nan],
    }
)


def test_a_lens_is_given_a_host_of_its_own_cell():
    lenses = pd.DataFrame({"id": np.arange(300), "psf_fwhm": 1.0, "depth": 23.0})
    drawn = run_arms._hosts(HOSTS, lenses, None, 1)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [10, 11, 12]
    assert (np.abs(counts - 100) < 35).all()
    assert set(run_arms._hosts(HOSTS, lenses, "density_lens_like", 1)) == {11}
    assert set(run_arms._hosts(HOSTS, lenses.assign(depth=24.0), "density_lens_like", 1)) == {
        -1
    }  # nobody knows the only one
    assert set(run_arms._hosts(HOSTS, lenses.assign(depth=22.0), None, 1)) == {-1}
    shuffled = lenses.sample(frac=1, random_state=1)
    np.testing.assert_array_equal(
        run_arms._hosts(HOSTS, shuffled, None, 1), drawn[shuffled["id"]]
    )  # by the lens, not by its row


def test_a_host_is_swapped_for_another_of_its_cell_and_never_for_itself():
    swapped = bench.swapped(HOSTS, np.array([10, 11, 12, 20, 30]), None, 1)
    assert set(swapped) == {10, 11, 12}  # the others are alone in their cells
    assert all(own != other and other in (10, 11, 12) for own, other in swapped.items())
    assert bench.swapped(HOSTS, np.array([10, 11, 12]), "density_lens_like", 1) == {10: 11, 12: 11}


def test_draws_of_the_prior_are_told_by_what_is_seen_of_them():
    theta_e, mu = np.array([1.0, 2.0]), np.array([10.0, 4.0])
    drawn = {
        name: np.array([0.1, 0.2])
        for name in ("n", "r_e", "source_q", "source_phi", "q", "phi", "gamma1", "gamma2", "lens_x", "lens_y")
    }
    drawn |= {
        "source_x": np.array([0.3, 0.4]),
        "source_y": np.array([0.1, -0.2]),
        "mag_g": np.full(2, 25.0),
        "mag_r": np.full(2, 24.5),
        "mag_z": np.full(2, 24.3),
    }
    table = run_arms._as_drawn(theta_e, drawn, mu)
    assert {name for names in experiments.FACTORS.values() for name in names} - {"galaxy_id"} == set(table)
    np.testing.assert_allclose(table["lensed_mag_r"], 24.5 - 2.5 * np.log10(mu))
    np.testing.assert_allclose(table[["lensed_colour_gr", "lensed_colour_rz"]], [[0.5, 0.2]] * 2)
    np.testing.assert_allclose(table[["offset_x", "offset_y"]], [[0.2, 0.0], [0.1, -0.2]], atol=1e-12)


def test_every_variant_says_what_it_asks_and_only_those_without_an_arc_say_so():
    settings = SimpleNamespace(injections=config.Injections())
    colours = {"lenses": np.array([1.5, 0.9]), "survey": np.array([1.0, 0.6])}
    made_ = run_causal.variants(settings, HOSTS, np.array([10, 11]), colours, 1)
    assert len({(v.kind, v.name) for v in made_}) == len(made_)
    assert all(v.about for v in made_)
    assert [v.name for v in made_ if not v.arc] == [
        "alone, arc removed",
        "blank sky alone",
        "that of known lenses, arc removed",
    ]
    without = run_causal.variants(settings, HOSTS.drop(columns="density_lens_like"), np.array([10, 11]), colours, 1)
    assert [v.why_not for v in without if v.name == "swapped for a lens-like one"] == [
        "known lenses are too few to tell lens-like hosts"
    ]
    seen = made()
    for variant in made_:
        if variant.transform is not None:
            assert variant.transform(seen).shape == seen.image.shape


def test_tables_figures_and_json_of_every_experiment_are_written_and_others_stay(tmp_path):
    place = run_of(detector="aaaa")
    place.settings.name, place.not_scientific, place.path = "tiny", {}, lambda name: tmp_path / name
    rng, factors = np.random.default_rng(2), ("host", "mass")
    found = {subset: (rng.random(9) < 0.5).astype(float) for subset in experiments.crossed(factors)}
    table, summary = experiments.gap(found[()], found, factors)
    pair = Paired(3, 2, 1, 4).row()
    none = Paired(0, 0, 0, 0).row()
    cases = {
        "arms": (summary, {"arms": table, "arms_lenses": pd.DataFrame({"galaxy_id": [1]})}),
        "causal": (
            {"trials": 10},
            {
                "causal": pd.DataFrame(
                    [
                        {"hosts": hosts, "kind": "host", "name": name, **row}
                        for hosts in run_causal.LIKE
                        for name, row in (("a", pair), ("b", none))
                    ]
                )
            },
        ),
        "fix": ({"lenses": pair}, {"fix_theta_e": pd.DataFrame([{"theta_e": 1.0, **pair}, {"theta_e": 1.5, **none}])}),
    }
    for name, result in cases.items():
        writing.write(place, {name: result}, {"lenses": 9})
    made = tmp_path / "experiments"
    read = json.loads((made / "experiments.json").read_text(), parse_constant=pytest.fail)
    assert {"arms", "causal", "fix"} < set(read)
    assert read["causal"]["tables"]["causal"][1]["change"] is None
    assert "arms_lenses" not in read["arms"]["tables"]
    assert read["arms"]["asked"] == {"lenses": 9}
    for name, (_, tables) in cases.items():
        assert (made / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (made / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        for key in tables:
            assert (
                len(pd.read_parquet(made / f"{key}.parquet"))
                == len(pd.read_csv(made / f"{key}.csv"))
                == len(tables[key])
            )
    place.detector.hash = "bbbb"
    writing.write(place, {"fix": cases["fix"]}, {})
    assert set(json.loads((made / "experiments.json").read_text())) == {
        "run",
        "mock",
        "detector",
        "fix",
    }  # what another detector did is not kept beside it
