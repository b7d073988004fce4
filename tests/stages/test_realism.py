"""Realism is GO for injections of the same making as the real lenses, NO-GO for each fault, and
never GO for want of anchors.
"""

from types import SimpleNamespace

import lenses
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import config, gates, realism, schema
from lenscal.injections import rendering, sources
from lenscal.kernels import twosamples
from lenscal.realism import criteria, matching, sensitivity
from lenscal.realism.light import PERCENT
from lenscal.realism.measures import STRUCTURE
from lenscal.realism.samples import compared

SETTINGS = config.Realism(splits=500)
NONE = realism.changes(np.zeros(0), {}, 0.0)


@pytest.fixture(scope="module")
def real():
    return lenses.draw(80, 1, SETTINGS)


@pytest.fixture(scope="module")
def bare():
    return lenses.draw_hosts(120, 2, SETTINGS, first=1000)


def judged(real, bare, seed=2, **changes):
    """Verdicts by criterion for injections with these faults."""
    injected = lenses.draw(120, seed, SETTINGS, first=1000, **changes)
    table = realism.judge(real, injected, bare, None, NONE, SETTINGS, 7)[1]["criteria"].set_index("id")
    return table["verdict"], table


def test_injections_of_the_same_making_are_go(real, bare):
    verdict, table = judged(real, bare)
    measured = [name for name in verdict.index if name not in ("morphology", "prior", "moffat", "panel", "realism")]
    assert len(measured) == 15
    assert (verdict[measured] == "GO").all(), table.loc[measured, ["verdict", "value", "why"]].to_string()


def test_arcs_ten_times_too_faint_are_no_go(real, bare):
    verdict, _ = judged(real, bare, brightness=0.1)
    assert verdict["snr_50"] == verdict["snr_90"] == verdict["realism"] == "NO-GO"


def test_image_plane_normalisation_is_no_go(real, bare):
    parameters = lenses.parameters(120, np.random.default_rng(2)).to_dict("series")
    values = {name: column.to_numpy(float) for name, column in parameters.items()}
    mu = rendering.magnification(values, sources.smooth(values, schema.PIXEL_SCALE))
    assert np.median(mu) > 3
    verdict, _ = judged(real, bare, brightness=1 / np.median(mu))
    assert verdict["snr_50"] == "NO-GO"


def test_arcs_of_other_colours_are_no_go(real, bare):
    verdict, table = judged(real, bare, colour=(1.15, 0.85))
    assert verdict["colour_gr"] == verdict["colour_rz"] == "NO-GO"
    assert table.loc["colour_gr", "value"] == pytest.approx(0.95, abs=0.25)


def test_a_gain_of_150_electrons_per_nanomaggy_is_no_go(real, bare):
    verdict, _ = judged(real, bare, gain=np.full(3, 150.0))
    assert (
        verdict["noise_p_g"] == verdict["noise_p_r"] == verdict["noise_d_g"] == "NO-GO"
    )  # in r resampling leaves D at 0.048


def test_a_gaussian_with_psfsize_as_its_width_is_no_go(real, bare):
    verdict, _ = judged(real, bare, psf=lenses.gaussian(lenses.PSFSIZE))
    assert verdict["concentration"] == "NO-GO"


def test_arcs_without_a_psf_are_no_go_for_the_probe(real, bare):
    spike = np.zeros((3, 41, 41))
    spike[:, 20, 20] = 1
    verdict, table = judged(real, bare, psf=spike)
    assert verdict["probe"] == "NO-GO", table.loc["probe"].to_string()


def test_the_probe_cannot_pass_by_being_blind(bare):
    # Injections so faint that the probe does not tell hosts with from hosts without: it must not vouch for them.
    faint = lenses.draw(120, 2, SETTINGS, first=1000, brightness=1e-6)
    again = realism.judge(faint, faint, bare, None, NONE, SETTINGS, 7)[1]["criteria"].set_index("id")
    assert again.loc["probe", "verdict"] == "not judged"
    assert "blind" in again.loc["probe", "why"]
    assert "may be none" in again.loc["snr_10", "why"]


def test_five_anchors_judge_nothing_and_are_no_pass(real, bare):
    injected = bare
    few = realism.Sample(real.objects[:5], real.pixels.rows(np.arange(5)))
    rows, tables = realism.judge(few, injected, bare, None, NONE, SETTINGS, 7)
    assert set(tables["criteria"]["verdict"]) == {"not judged"}
    assert tables["criteria"]["why"].str.contains("5 anchors, 20 needed").sum() == 15
    made = {gate.id: gate for gate in realism.gates(rows)}
    assert list(made) == [*(f"realism.{row.id}" for row in rows), "realism", "X.5"]
    assert {gate.verdict for gate in made.values()} == {gates.NOT_JUDGED}
    assert made["realism.snr_50"].cannot == made["X.5"].cannot == "5 anchors, 20 needed"
    assert made["realism.snr_50"].minimum == 0.5  # the number and its limits stay beside the reason
    assert not any(gate.critical for gate in made.values())


def test_what_fails_is_said_even_when_something_else_cannot_be_judged():
    c = criteria.criterion
    rows = [
        c("snr_10", "3A.5", "a", "m", 0.1, minimum=0.5, maximum=2.0),
        c("snr_50", "3A.5", "b", "m", 1.0, minimum=0.5, maximum=2.0, cannot="dim"),
    ]
    made = {gate.id: gate for gate in realism.gates(rows)}
    assert (made["realism.snr_10"].verdict, made["realism.snr_50"].verdict) == (gates.FAIL, gates.NOT_JUDGED)
    assert made["realism"].verdict == made["X.5"].verdict == gates.FAIL
    assert list(criteria.table(rows)["verdict"]) == ["NO-GO", "not judged", "NO-GO"]
    assert criteria.table(rows)["why"].iloc[1] == "cannot be judged: dim"


def test_no_anchors_at_all_are_said_not_stumbled_over(bare):
    nothing = lenses.sample(np.empty((0, 3, 63, 63), np.float32), np.empty((0, 3, 63, 63), np.float32), SETTINGS)
    table = realism.judge(nothing, nothing, nothing, None, NONE, SETTINGS, 7)[1]["criteria"]
    assert table["why"].str.contains("0 anchors, 20 needed").sum() == 15


def test_the_same_samples_give_the_same_numbers(real, bare):
    injected = lenses.draw(60, 2, SETTINGS, first=1000)
    hosts = realism.Sample(bare.objects[:60], bare.pixels.rows(np.arange(60)))
    one, two = (realism.judge(real, injected, hosts, None, NONE, SETTINGS, 7)[1] for _ in range(2))
    for name in one:
        pd.testing.assert_frame_equal(one[name], two[name])


def stamps_of(rng, n, spread, heavy):
    """Counts of the pixels of stamps that differ in width, a few of them much, with correlated pixels."""
    width = rng.normal(0, spread, (n, 1)) if not heavy else 0.5 * spread * rng.standard_t(3, (n, 1))
    walk = rng.standard_normal((n, 40)).repeat(4, axis=1) * np.exp(np.clip(width, -1.5, 1.5))
    place = np.clip(np.floor((walk + 6) * 10), 0, 119).astype(int) + 120 * np.arange(n)[:, None]
    return np.bincount(place.ravel(), minlength=120 * n).reshape(n, 120)


@pytest.mark.parametrize(("n", "m", "heavy"), [(24, 96, False), (21, 84, True), (20, 20, True), (8, 32, False)])
def test_false_alarms_of_the_calibrated_p_are_as_rare_as_they_should_be(n, m, heavy):
    # Single pixels would cry wolf nearly always; halves of the real stamps alone 9 to 12 times in a hundred.
    rng = np.random.default_rng(3)
    alarms, naive = [], []
    for trial in range(300):
        counts = stamps_of(rng, n, 0.2, heavy), stamps_of(rng, m, 0.2, heavy)
        d, p, _ = twosamples.stamp_permutation_p(*counts, np.random.default_rng(trial), splits=200)
        alarms.append(p <= 0.05)
        naive.append(d > 1.358 * np.sqrt(1 / (n * 160) + 1 / (m * 160)))
    assert np.mean(alarms) < 0.07 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(naive) > 0.2


def test_each_of_three_bands_and_of_three_measures_is_asked_at_a_third_of_the_level(real, bare, monkeypatch):
    # A p of 0.03 is no alarm where three are asked, one of 0.01 is.
    for p, verdict in ((0.03, "GO"), (0.01, "NO-GO")):
        monkeypatch.setattr(twosamples, "stamp_permutation_p", lambda *_, p=p, **__: (0.01, p, np.full(100, 0.02)))
        monkeypatch.setattr(twosamples, "permutation_p", lambda *_, p=p, **__: (0.1, p))
        table = realism.judge(real, real, bare, None, NONE, SETTINGS, 7)[1]["criteria"].set_index("id")
        for name in ("noise_p_g", "noise_p_r", "noise_p_z", *STRUCTURE):
            assert table.loc[name, "value"] == pytest.approx(3 * p), name
            assert table.loc[name, "verdict"] == verdict, name


def test_an_anchor_is_drawn_with_its_matches():
    # Injections that are their anchors' twins: drawn together, the ratio of any quantile is always 1.
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"snr_r": rng.lognormal(1, 0.8, 30)})
    pixels = lambda rows: SimpleNamespace(table=table.iloc[rows].reset_index(drop=True))  # noqa: E731
    rows = np.arange(30)
    real = realism.Sample(rows, pixels(rows))
    twins = realism.Sample(1000 + rows, pixels(rows), rows)
    ratio = lambda a, b: b / a  # noqa: E731
    for percent in PERCENT:
        assert compared(real, twins, "snr_r", percent, ratio, np.random.default_rng(1)) == pytest.approx((1, 1, 1))
        alone = compared(
            real, realism.Sample(1000 + rows, pixels(rows)), "snr_r", percent, ratio, np.random.default_rng(1)
        )
        assert alone[2] - alone[1] > 0.2


def test_a_colour_without_light_in_one_band_still_counts_in_the_median():
    with np.errstate(all="ignore"):
        from lenscal.realism.measures import _colour

        found = _colour(np.array([1.0, -1.0, 2.0]), np.array([1.0, 1.0, 1.0]))
    assert found[0] == 0
    assert found[1] == np.inf
    assert np.quantile(found, 0.5, method="inverted_cdf") == 0


def test_overall_verdict_is_go_only_when_every_one_is():
    go = criteria.criterion("a", "3D", "claim", "measure", 1.0, maximum=2.0)
    bad = criteria.criterion("b", "3D", "claim", "measure", 3.0, maximum=2.0)
    lost = criteria.criterion("c", "3D", "claim", "measure", np.nan, maximum=2.0)
    unknown = criteria.criterion("d", "3D", "claim", "measure", 1.0, maximum=2.0, cannot="why")
    last = lambda *rows: criteria.table(rows)["verdict"].iloc[-1]  # noqa: E731
    assert [criteria.WORDS[c.verdict] for c in (go, bad, lost, unknown)] == ["GO", "NO-GO", "NO-GO", "not judged"]
    assert (last(go, go), last(go, unknown), last(go, unknown, bad), last()) == (
        "GO",
        "not judged",
        "NO-GO",
        "not judged",
    )


def test_a_reader_who_tells_them_apart_makes_the_panel_no_go():
    def verdict(n, k):
        settings = SETTINGS.model_copy(update={"panel_judged": n, "panel_correct": k})
        return realism.judge.__globals__["_panel"](settings).verdict

    assert verdict(24, 13) == gates.PASS
    assert verdict(24, 20) == gates.FAIL
    assert verdict(6, 3) == gates.NOT_JUDGED


def galaxies(n, **given):
    values = {
        "galaxy_id": np.arange(n),
        "role": np.full(n, "anchor", object),
        "tier": np.full(n, "A", object),
        "split": np.full(n, "test", object),
    }
    values |= {
        "cutout_ok": np.ones(n, bool),
        "psfsize_r": np.full(n, 1.3),
        "psfdepth_r": np.full(n, 23.5),
        "mag_r": np.full(n, 19.0),
    } | given
    dataset = xr.Dataset({name: ("galaxy", column) for name, column in values.items()})
    noise = (("galaxy", "band"), np.full((n, 3), 0.01))
    return dataset.assign(sigma=noise, noise_correlation=(("galaxy", "band"), np.full((n, 3), 2.0)))


def test_anchors_left_out_are_counted_by_reason():
    role, tier, ok = (
        np.array(["anchor"] * 5 + ["train"], object),
        np.array(["A", "A", "B", "A", "A", "A"], object),
        np.array([1, 0, 1, 1, 1, 1], bool),
    )
    dataset = galaxies(6, role=role, tier=tier, cutout_ok=ok)
    dataset["sigma"][3, 1] = np.nan
    dataset["noise_correlation"][4, 2] = 9.0
    table, ledger = realism.anchors(dataset, config.Realism(anchor_tiers=["A"]), 1)
    assert list(table["galaxy_id"]) == [0]
    assert (ledger.rows_in, ledger.rows_out, ledger.missing) == (5, 1, 0)
    assert dict(ledger.dropped) == {
        "tier not asked for": 1,
        "cutout not fit for use": 1,
        "noise not measured": 1,
        "light in the sky ring": 1,
    }


def trial_table(rng, hosts=40, each=6):
    n = hosts * each
    host = np.repeat(np.arange(hosts), each)
    table = pd.DataFrame(
        {"galaxy_id": host, "injection_id": np.arange(n), "psfsize_r": rng.uniform(0.9, 1.8, hosts)[host]}
    )
    return table.assign(
        psfdepth_r=rng.uniform(22.5, 24.5, hosts)[host],
        mag_r=rng.uniform(17, 20, hosts)[host],
        radius=rng.uniform(0.6, 3, n),
        **{f"i_{d}": 0 for d in schema.TRIAL},
    )


def test_matches_are_near_and_no_host_serves_twice():
    rng = np.random.default_rng(4)
    table = trial_table(rng)
    real = pd.DataFrame(
        {
            "galaxy_id": [1000, 1001, 1002],
            "psfsize_r": [1.0, 1.3, 1.7],
            "psfdepth_r": [23.0, 23.5, 24.0],
            "mag_r": [18.0, 19.0, np.nan],
            "radius": [1.0, 1.5, 2.0],
        }
    )
    settings = config.Realism(candidates=10, matches=3)
    near = realism.candidates(real, table, settings, 5)
    assert near.groupby("anchor_id").size().tolist() == [10, 10, 10]
    kept = near.iloc[realism.with_radius(real, near, settings, 5)]
    assert kept["galaxy_id"].is_unique
    assert kept.groupby("anchor_id").size().tolist() == [3, 3, 3]
    far = matching.distance(real.iloc[0], table.drop_duplicates("galaxy_id"), ("psfsize_r", "psfdepth_r", "mag_r"))
    chosen = set(near.loc[near["anchor_id"] == 1000, "galaxy_id"])
    assert chosen == set(table.drop_duplicates("galaxy_id")["galaxy_id"].to_numpy()[np.argsort(far)[:10]])


def test_what_stands_beside_a_lens_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(4)
    table = trial_table(rng)
    real = pd.DataFrame(
        {
            "galaxy_id": [1000, 1001],
            "psfsize_r": [1.0, 1.3],
            "psfdepth_r": [23.0, 23.5],
            "mag_r": [18.0, 19.0],
            "radius": [1.0, 1.5],
        }
    )
    one = set(realism.candidates(real, table, SETTINGS, 5)["injection_id"])
    assert one == set(realism.candidates(real.iloc[::-1], table, SETTINGS, 5)["injection_id"])


def test_the_panel_is_blind_and_balanced():
    rng = np.random.default_rng(4)
    matched = trial_table(rng, 30, 1).assign(anchor_id=1000 + np.arange(30) % 15)
    real = pd.DataFrame({"galaxy_id": 1000 + np.arange(15)})
    table = realism.panel(real, matched, config.Realism(panel=12), 5)
    assert list(table["number"]) == list(range(1, 25))
    assert table["kind"].value_counts().to_dict() == {"real": 12, "injected": 12}
    kinds = table["kind"].to_numpy()
    assert 4 < (kinds[1:] != kinds[:-1]).sum() < 20  # neither sorted nor alternating


def test_each_setting_is_changed_alone_and_what_cannot_be_made_says_why():
    made = realism.variants(config.Injections(prior="rest-frame-colours"), SETTINGS, 3.5)
    names = [(v.kind, v.name) for v in made]
    assert names == [
        ("morphology", "clumpy"),
        ("morphology", "stamps"),
        ("prior", "observed-colours"),
        ("prior", "compact-arcs"),
        ("prior", "anchor-snr"),
        ("moffat", "beta 2.5"),
        ("moffat", "beta 4.5"),
        ("inner images", "suppressed"),
    ]
    assert "source_stamps" in made[1].why_not
    assert made[0].settings.prior == "rest-frame-colours"
    assert not any(v.redraw for v in made[-3:])
    assert [v.settings.moffat_beta for v in made[-3:]] == [2.5, 4.5, None]


def test_change_of_completeness_counts_discordant_pairs():
    variant = sensitivity.Variant("morphology", "clumpy", config.Injections())
    base, other = np.r_[np.ones(60), np.zeros(40)], np.r_[np.ones(40), np.zeros(20), np.ones(5), np.zeros(35)]
    row = realism.changes(base, {"c": (variant, other)}, 0.5).iloc[0]
    assert (row["lost"], row["won"], row["pairs"]) == (20, 5, 100)
    assert row["change"] == pytest.approx(-0.15)
    assert row["from_95"] < -0.15 < row["to_95"] < 0
    table = realism.changes(
        base,
        {"c": (variant, other), "s": (sensitivity.Variant("morphology", "stamps", config.Injections()), "no file")},
        0.5,
    )
    verdicts = {limit: judged_changes(table, limit) for limit in (0.1, 0.2)}
    assert verdicts == {0.1: "NO-GO", 0.2: "not judged"}  # an incomplete bracket can fail, not pass


def test_a_detector_that_calls_bare_hosts_lenses_says_nothing_on_sources():
    clumpy = sensitivity.Variant("morphology", "clumpy", config.Injections())
    base, control = np.r_[np.ones(90), np.zeros(10)], realism.bare(config.Injections())
    hears, deaf = (
        realism.changes(base, {"b": (control, bare), "c": (clumpy, base)}, 0.5) for bare in (np.zeros(100), base)
    )
    assert judged_changes(hears, 0.1) == "GO"
    assert judged_changes(deaf, 0.1) == "not judged"


def judged_changes(table, limit, kind="morphology"):
    found = realism.sensitive(table, SETTINGS.model_copy(update={f"{kind}_change_max": limit}))
    return criteria.WORDS[next(row for row in found if row.id == kind).verdict]


def test_a_psf_profile_that_changes_completeness_is_no_go():
    wide, narrow = (
        sensitivity.Variant("moffat", f"beta {beta}", config.Injections(moffat_beta=beta), moffat=True)
        for beta in (3.5, 4.5)
    )
    base = np.r_[np.ones(60), np.zeros(40)]
    more = np.r_[np.ones(80), np.zeros(20)]
    with_image = np.r_[np.full(50, np.nan), more[50:]]  # half of the hosts have PSF images: not asked
    changes = realism.changes(base, {"a": (wide, base), "b": (narrow, with_image)}, 0.5)
    assert changes["pairs"].tolist() == [100, 50]
    assert changes["change"].tolist() == pytest.approx([0, 0.4])
    assert {limit: judged_changes(changes, limit, "moffat") for limit in (0.1, 0.5)} == {0.1: "NO-GO", 0.5: "GO"}
    row = next(row for row in realism.sensitive(changes, SETTINGS) if row.id == "moffat")
    assert (row.requirement, row.value) == ("3B.4", pytest.approx(0.4))
    assert judged_changes(NONE, 0.1, "moffat") == "not judged"


def test_changes_at_another_threshold_follow_from_the_scores_that_are_kept():
    control, clumpy = realism.bare(config.Injections()), sensitivity.Variant("morphology", "clumpy")
    stamps = sensitivity.Variant("morphology", "stamps")
    rng = np.random.default_rng(3)
    base = rng.normal(size=200)
    some = np.where(rng.random(200) < 0.2, np.nan, base + rng.normal(size=200))
    scored = {"a": (control, rng.normal(size=200)), "b": (clumpy, some), "c": (stamps, "the run file names none")}
    first = realism.changes(base, scored, 0.5)
    for threshold in (0.5, -0.3):
        again = sensitivity.again(sensitivity.kept(base, scored), first, threshold)
        pd.testing.assert_frame_equal(again, realism.changes(base, scored, threshold))
    assert again["base"].iloc[0] > first["base"].iloc[0]
    nobody = {"a": (clumpy, "no injection has an image")}
    none = realism.changes(base, nobody, 0.5)
    pd.testing.assert_frame_equal(sensitivity.again(sensitivity.kept(base, nobody), none, 0.0), none)


def test_criteria_are_found_again_from_the_gates_that_they_became():
    found = [
        criteria.criterion("snr_10", "3D.1", "a claim", "a ratio", 0.8, (0.5, 1.1), 0.5, 2.0, "of some"),
        criteria.criterion("panel", "3D.8", "another", "p", minimum=0.05, cannot="nobody looked"),
    ]
    became = criteria.gates(found)
    assert [gate.id for gate in became] == ["realism.snr_10", "realism.panel", "realism", "X.5"]
    again = criteria.of_gates(became)
    pd.testing.assert_frame_equal(criteria.table(again), criteria.table(found))


def test_hosts_without_a_psf_image_in_some_band_are_those_that_a_profile_serves():
    from lenscal.audit.comparison import _without_psf_image

    image = np.ones((3, 3, 5, 5))
    image[1, 2] = np.nan
    image[2, 0, 0, 0] = np.nan  # a broken image is no missing one
    hosts = xr.Dataset({"psf": (("galaxy", "band", "psf_y", "psf_x"), image)})
    assert _without_psf_image(hosts).tolist() == [False, True, False]
    assert _without_psf_image(xr.Dataset({"sigma": ("galaxy", np.ones(2))})).tolist() == [True, True]


def test_inner_images_are_measured_apart_from_the_arc():
    arc, spot = np.zeros((2, 31, 31)), np.zeros((2, 31, 31))
    arc[:, 10, 5:25] = 1.0
    spot[0, 18, 15] = 0.2  # twenty times the noise
    table = realism.inner_images(arc + spot, arc, np.array([1.2, 1.2]), np.full(2, 0.01), np.ones(2)).set_index(
        "theta_e"
    )
    assert table.loc["all", "n"] == table.loc["1 to 1.5", "n"] == 2
    assert table.loc["all", "visible"] == 0.5


def test_images_of_another_shape_or_without_noise_are_refused():
    images = np.zeros((2, 3, 41, 41), np.float32)
    with pytest.raises(ValueError, match="expected"):
        realism.pixels(images[:, :2], np.ones((2, 2)), np.ones((2, 2)), images[:, :2], SETTINGS)
    with pytest.raises(ValueError, match="no positive noise"):
        realism.pixels(images, np.zeros((2, 3)), np.ones((2, 3)), images, SETTINGS)


def test_a_crop_is_centred_on_the_galaxy():
    stamp = np.zeros((1, 101, 101))
    stamp[0, 50, 50] = 1
    crop = realism.centred(stamp[:, 18:82, 18:82], 101)
    assert crop.shape[-1] == 63
    assert crop[0, 31, 31] == 1
    even = realism.centred(stamp[:, 10:91, 10:91], 101)
    assert even.shape[-1] == 81
