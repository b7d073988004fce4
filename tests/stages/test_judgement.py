"""Scores are judged at a stated share of lenses, by stratum and against shortcuts; each gate can fail, and what cannot
be told is not judged by name.
"""

import numpy as np
import pandas as pd
import pytest
from judged import EDGES, FACTS, PREVALENCE, SETTINGS, TERMS, pairs, run, stamps, truth
from scipy import stats
from scipy.special import logit

from lenscal import config, schema, scores
from lenscal import gates as gate_table
from lenscal.kernels import precision
from lenscal.scores import (
    calibrators,
    channels,
    counterfactuals,
    curves,
    nuisance,
    rates,
    recall,
    rows,
    shortcuts,
    strata,
)


def sample(found, split="test", settings=SETTINGS):
    return rows.Sample.of_split(rows.table(found), split, 1, settings.resamples)


def facts(found, **columns):
    return pd.DataFrame(columns, index=found["galaxy_id"].values)


def test_every_table_is_as_declared_and_the_order_of_rows_changes_nothing():
    found = run()
    thresholds = scores.thresholds(found, [0.01, 0.1])
    tables, gates = scores.judge(found, thresholds, FACTS, TERMS)
    order = np.random.default_rng(2).permutation(found.sizes["galaxy"])
    again, alike = scores.judge(found.isel(galaxy=order), thresholds, FACTS, TERMS)
    assert set(tables) == set(schema.JUDGEMENT) - {"shortcuts", "counterfactuals"}
    for name, table in tables.items():
        declared = schema.JUDGEMENT[name]
        assert list(table) == list(declared.variables)
        declared.check_table(declared.cast_table(table))
        pd.testing.assert_frame_equal(table, again[name], rtol=1e-9)
    assert [gate.verdict for gate in gates] == [gate.verdict for gate in alike]


def test_curves_are_the_counts_and_precision_is_that_of_the_prevalence():
    found = sample(run())
    table = curves.curves(found, 1e-3)
    assert len(table) <= curves.POINTS + 2
    for row in table.iloc[:: len(table) // 7].itertuples():
        above = found.score >= row.threshold
        assert row.n_true == (above & found.positive).sum()
        assert row.n_false == (above & ~found.positive).sum()
        assert row.precision == pytest.approx(
            1e-3 * row.recall / (1e-3 * row.recall + 0.999 * row.false_positive_rate), nan_ok=True
        )
    assert table[["recall", "false_positive_rate"]].iloc[-1].tolist() == [1, 1]
    assert (table["few"] == (table["n_false"] < 10)).all()


def average_precision_of_normal(apart, prevalence):
    at = np.linspace(9, -9, 60_001)
    recall, rate = stats.norm.sf(at - apart), stats.norm.sf(at)
    return np.sum(np.diff(recall) * precision.precision(recall, rate, prevalence)[1:])


@pytest.mark.parametrize(
    ("m", "n", "apart", "prevalence"), [(12, 945, 2.5, 1 / 101), (60, 945, 3, 1e-3), (25, 200, 1, 0.3)]
)
def test_interval_of_the_average_precision_holds_the_truth(m, n, apart, prevalence):
    expected, rng, hits = average_precision_of_normal(apart, prevalence), np.random.default_rng(3), []
    for seed in range(80):
        table = pd.DataFrame(
            {
                "galaxy_id": np.arange(m + n),
                "label": np.repeat([1, 0], [m, n]),
                "score": np.append(rng.normal(apart, 1, m), rng.normal(0, 1, n)),
            }
        )
        row = curves.areas(rows.Sample(table, seed, 150), prevalence)[1]
        assert row["lower"] <= row["value"] <= row["upper"]
        hits.append(row["lower"] <= expected <= row["upper"])
    assert np.mean(hits) >= 0.9


def test_a_perfect_order_has_an_average_precision_whose_lower_end_is_below_one():
    found = run(lenses=10, others=300)
    found["score"].values[:] = np.where(found["label"] == 1, 10, 0) + found["score"].values / 100
    row = curves.areas(sample(found), 1e-3)[1]
    assert row["value"] == row["upper"] == 1
    assert row["lower"] < 0.5  # half a negative of 300 above all leaves 0.37 at one lens in a thousand


def test_recall_is_told_by_tier_with_an_interval_that_says_what_it_is():
    found = run()
    thresholds = scores.thresholds(found, [0.01, 0.1])
    for kind, (_, name) in recall.KINDS.items():
        table = recall.recall(rows.table(found), thresholds, kind)
        assert set(table["interval"]) == {name}
        assert ((table["lower"] <= table["recall"]) & (table["recall"] <= table["upper"])).all()
    whole = table[(table["sample"] == "split test") & (table["threshold"] == table["threshold"].iloc[0])].set_index(
        "tier"
    )
    assert whole["n"]["all"] == 60 == whole["n"].drop("all").sum()
    assert whole["k"]["all"] == whole["k"].drop("all").sum()
    assert table.set_index("threshold")["few"].groupby(level=0).first().tolist() == [False, True]
    assert thresholds["n_false"].values.tolist() == [4, 40]


def test_a_rate_that_rests_on_fewer_than_ten_negatives_says_so_in_words():
    found = run()
    few, enough = (scores.thresholds(found, [rate]) for rate in (0.01, 0.1))
    assert "the rate of 1 % rests on 4 of 400 negatives, fewer than 10" in few.attrs["few_events"]
    assert enough.attrs["few_events"] == ""
    assert rates.events_gate(few).verdict == gate_table.NOT_JUDGED
    assert rates.events_gate(enough).verdict == gate_table.PASS
    _, gates = scores.judge(found, few, FACTS, TERMS)
    assert {gate.id: gate for gate in gates}["scores.events"].cannot == few.attrs["few_events"]


def test_true_probabilities_pass_in_every_stratum_and_an_offset_fails():
    good, bad = (
        strata.calibration(sample(run(offset=offset)), PREVALENCE, EDGES, SETTINGS)[0] for offset in (0.0, 3.0)
    )
    assert strata.gate(good, 0.02).verdict == gate_table.PASS
    assert strata.gate(bad, 0.02).verdict == gate_table.FAIL
    assert set(good["group"]) == {"all", "seeing", "depth", "exposures in z", "type", "pool of negatives"}
    assert (good["why_not"] == "").all()


def test_a_stratum_of_one_class_or_of_a_few_is_not_judged_by_name():
    found = run()
    found["type"].values[np.flatnonzero(found["label"] == 0)[::2]] = "REX"  # no lens is of it
    table, bins = strata.calibration(sample(found), PREVALENCE, EDGES, SETTINGS)
    row = table[table["value"] == "REX"].iloc[0]
    assert row["why_not"].startswith("0 scored lenses and ")
    assert np.isnan(row["error"])
    assert "REX" not in set(bins["value"])
    few = strata.calibration(sample(run(lenses=5)), PREVALENCE, EDGES, SETTINGS)[0]
    assert strata.gate(few, 0.02).verdict == gate_table.NOT_JUDGED


def test_pools_of_negatives_each_stand_with_all_lenses():
    found = sample(run())
    table = strata.calibration(found, PREVALENCE, EDGES, SETTINGS)[0]
    pools = table[table["group"] == "pool of negatives"]
    assert pools["n_positive"].tolist() == [60, 60]
    assert pools["n_negative"].sum() == 400


def test_bins_hold_the_observed_share_within_their_interval():
    _, bins = strata.calibration(sample(run()), PREVALENCE, EDGES, SETTINGS)
    assert ((bins["lower"] <= bins["observed"] + 1e-12) & (bins["observed"] <= bins["upper"] + 1e-12)).all()
    whole = bins[bins["group"] == "all"]
    inside = (whole["lower"] <= whole["predicted"]) & (whole["predicted"] <= whole["upper"])
    assert inside.mean() >= 0.8
    assert whole[["n_positive", "n_negative"]].sum().tolist() == [60, 400]


def test_platt_finds_the_slope_temperature_the_temperature_and_isotonic_no_fall():
    found = sample(run(lenses=3000, others=12_000), "val", SETTINGS)
    fitted, about = calibrators.platt(found.score, found.positive, PREVALENCE)
    np.testing.assert_allclose(fitted(np.array([0.0, 2.0])), truth([0.0, 2.0]), rtol=0.15)
    _, about = calibrators.temperature(3 * logit(truth(found.score)), found.positive, PREVALENCE)
    assert float(about.split()[-1]) == pytest.approx(3, rel=0.05)
    steps, _ = calibrators.isotonic(found.score.astype("f4"), found.positive, PREVALENCE)
    at = np.linspace(-9, 9, 500)
    assert (np.diff(steps(at)) >= 0).all()
    assert 0 < steps(at).min() < steps(at).max() < 1
    np.testing.assert_allclose(steps(np.array([1.0])), truth([1.0]), rtol=0.3)


def test_calibrators_are_fitted_on_val_alone_and_the_shipped_one_stays():
    found = run(lenses=200, others=1000, offset=1.5)
    table = calibrators.compared(sample(found, "val"), sample(found), PREVALENCE, SETTINGS).set_index("calibrator")
    assert list(table.index) == ["as shipped", "Platt", "temperature", "isotonic"]
    assert table.loc["Platt", "log_loss_change_upper"] < 0
    assert table.loc["Platt", "error"] < table.loc["as shipped", "error"]
    changed = found.assign(score=found["score"].where(found["split"] == "test", -found["score"]))
    other = calibrators.compared(sample(changed, "val"), sample(changed), PREVALENCE, SETTINGS).set_index("calibrator")
    columns = ["log_loss", "brier", "error"]
    pd.testing.assert_series_equal(other.loc["as shipped", columns], table.loc["as shipped", columns])
    assert other.loc["Platt", "log_loss"] > table.loc["Platt", "log_loss"]


def test_calibrators_without_a_class_and_scores_without_a_probability_say_so():
    found = run()
    none = found.isel(galaxy=~((found["split"] == "val") & (found["label"] == 1)).values)
    table = calibrators.compared(sample(none, "val"), sample(none), PREVALENCE, SETTINGS).set_index("calibrator")
    assert table.loc["as shipped", "why_not"] == ""
    assert table.loc["Platt", "why_not"].startswith("0 scored lenses and 400 scored negatives in the split val")
    found["probability"].values[:] = np.nan
    tables, gates = scores.judge(found, scores.thresholds(found, [0.1]), FACTS, TERMS)
    assert "scores have no probability" in {gate.id: gate for gate in gates}["detector.strata"].cannot
    assert tables["calibrators"].set_index("calibrator").loc["Platt", "why_not"] == ""


def test_scores_of_negatives_that_follow_seeing_fail_and_others_pass():
    found = run(others=800)
    independent = facts(
        found, ebv=np.random.default_rng(4).random(found.sizes["galaxy"]), missing_bands=np.zeros(found.sizes["galaxy"])
    )
    table = nuisance.correlations(rows.table(found), independent, SETTINGS)
    assert nuisance.gate(table, SETTINGS).verdict == gate_table.PASS
    said = table.set_index("quantity")["why_not"]
    assert said["missing_bands"].startswith("0 for all of 1600")
    assert said["brick_edge"] == "not known for the negatives of this run"
    assert (said[["psfsize_r", "psfdepth_r", "ebv"]] == "").all()
    found["score"].values[:] += 6 * found["psfsize_r"].values
    table = nuisance.correlations(rows.table(found), independent, SETTINGS)
    assert nuisance.gate(table, SETTINGS).verdict == gate_table.FAIL
    found["score"].values[:] = 1
    assert (
        nuisance.gate(nuisance.correlations(rows.table(found), independent, SETTINGS), SETTINGS).verdict
        == gate_table.NOT_JUDGED
    )


def test_many_quantities_without_a_relation_fail_no_oftener_than_one_in_twenty():
    rng, failed = np.random.default_rng(5), []
    limit = SETTINGS.model_copy(update={"nuisance_correlation_max": 1e-6})
    names = list(nuisance.QUANTITIES)
    for _ in range(200):
        table = pd.DataFrame(
            {"galaxy_id": np.arange(100), "negative": True, "split": "val", "score": rng.normal(size=100)}
        )
        known = pd.DataFrame({name: rng.normal(size=100) for name in names})
        failed.append(nuisance.gate(nuisance.correlations(table, known, limit), limit).verdict == gate_table.FAIL)
    assert np.mean(failed) < 0.13  # the limit is 0 here, so that one in ten is what a two-sided question would give


def channel(found, shift=0.0, other=25):
    lenses = np.flatnonzero(found["label"] == 1)
    names = np.full(found.sizes["galaxy"], "", object)
    names[lenses] = "imaging-ml|spectroscopic"
    names[lenses[:other]] = "spectroscopic"
    found["score"].values[lenses[:other]] += shift
    return facts(found, channel=names, colour_gr=np.random.default_rng(6).random(found.sizes["galaxy"]))


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, gate_table.PASS), (-2.0, gate_table.FAIL)])
def test_lenses_of_other_channels_that_score_lower_fail(shift, verdict):
    found = run()
    known = channel(found, shift)
    thresholds = scores.thresholds(found, [0.1])
    table = channels.compared(rows.table(found), known, thresholds, SETTINGS, 1)
    gate = channels.gate(table, SETTINGS, "")
    assert (gate.verdict, gate.requirement) == (verdict, "4.6")
    by = table.set_index("measure")
    assert by["n_other"].unique().tolist() == [25]
    assert (by.loc["difference of recall", "upper"] < 0) == (shift < 0)
    assert by.loc["distance of features", "why_not"] == ""


def test_a_channel_of_a_few_is_not_judged_and_features_need_more_lenses_than_they_are():
    found = run()
    few = channels.compared(rows.table(found), channel(found, other=4), scores.thresholds(found, [0.1]), SETTINGS, 1)
    assert channels.gate(few, SETTINGS, "").verdict == gate_table.NOT_JUDGED
    assert "4 of other channels, fewer than 10" in channels.gate(few, SETTINGS, "").cannot
    loose = SETTINGS.model_copy(update={"channel_min": 4})
    some = channels.compared(rows.table(found), channel(found, other=4), scores.thresholds(found, [0.1]), loose, 1)
    assert "expected more lenses than features" in some.set_index("measure").loc["distance of features", "why_not"]
    follow_up = facts(found, channel=np.where(found["label"] == 1, "follow-up", ""))
    assert channels.split(rows.table(found), follow_up)[1].empty


def test_negatives_are_matched_to_lenses_and_none_serves_twice():
    table = rows.table(run())
    chosen = shortcuts.matched(table, SETTINGS, 1)
    assert chosen["galaxy_id"].is_unique
    assert ((chosen["label"] == 1).sum(), (chosen["pool"] == "N1").sum()) == (120, 480)
    few = shortcuts.matched(table, SETTINGS.model_copy(update={"shortcut_lenses": 10, "shortcut_negatives": 1}), 1)
    near = few[few["negative"]]
    for lens in few[few["label"] == 1].itertuples():
        gaps = [np.abs(near[name] - getattr(lens, name)) / scale for name, scale in shortcuts.SCALES.items()]
        assert np.sqrt(sum(gap**2 for gap in gaps)).min() < 1.5
    other = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(shortcuts.matched(other, SETTINGS, 1), chosen)


@pytest.mark.parametrize(
    ("where", "core", "annulus"), [(3.0, gate_table.PASS, gate_table.PASS), (0.5, gate_table.FAIL, gate_table.FAIL)]
)
def test_the_part_that_holds_the_arc_tells_it(where, core, annulus):
    images, positive = stamps(240, where)
    features = shortcuts.part_features(images, np.ones((240, 3)), SETTINGS, 0.262)
    table = shortcuts.parts(features, positive, np.arange(240), 1)
    found = {gate.id: gate for gate in shortcuts.part_gates(table, SETTINGS)}
    assert (found["X.7"].verdict, found["4.7"].verdict) == (core, annulus), table
    assert (found["X.7"].requirement, found["4.7"].requirement) == ("4.8", "4.7")


def test_parts_that_hold_the_limit_or_a_few_lenses_are_not_judged():
    images, positive = stamps(240, 3.0)
    features = shortcuts.part_features(images, np.ones((240, 3)), SETTINGS, 0.262)
    few = shortcuts.parts({k: v[:20] for k, v in features.items()}, positive[:20], np.arange(20), 1)
    assert {gate.verdict for gate in shortcuts.part_gates(few, SETTINGS)} == {gate_table.NOT_JUDGED}
    near = few.assign(auc=[0.65, 0.75], lower=[0.55, 0.65], upper=[0.75, 0.85], why_not="")
    found = shortcuts.part_gates(near, SETTINGS)
    assert {gate.verdict for gate in found} == {gate_table.NOT_JUDGED}
    assert "leaves 0.7 inside" in found[0].cannot


def test_folds_and_scores_of_a_galaxy_depend_on_its_id_and_not_on_the_order():
    rng = np.random.default_rng(8)
    features, positive, ids = rng.normal(size=(60, 4)), np.arange(60) < 15, rng.permutation(60) + 10**12
    whole = shortcuts.classified(features, positive, ids, 1)
    order = rng.permutation(60)
    np.testing.assert_allclose(
        shortcuts.classified(features[order], positive[order], ids[order], 1), whole[order], atol=1e-4
    )
    fold = shortcuts.fold_of(ids, positive, 1)
    assert np.bincount(fold[positive]).tolist() == [3] * 5
    assert np.mean(
        [
            shortcuts.parts({p: rng.normal(size=(60, 4)) for p in shortcuts.PARTS}, positive, ids, 1)["auc"].mean()
            for _ in range(20)
        ]
    ) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("name", "id_", "good", "bad"),
    [
        (counterfactuals.ARC, "shortcut.arc", -2, 0.0),
        (counterfactuals.HOST, "shortcut.host", 0.0, -2),
        (counterfactuals.BLANK, "shortcut.blank", 2, 0.0),
    ],
)
def test_each_counterfactual_gate_passes_and_fails(name, id_, good, bad):
    for shift, verdict in ((good, gate_table.PASS), (bad, gate_table.FAIL)):
        others = [pairs(0.0, name=other) for other in counterfactuals.ABOUT if other != name]
        table = counterfactuals.changes([pairs(shift, 400, name=name), *others], 1.0)
        gates = {gate.id: gate for gate in counterfactuals.gates(table, SETTINGS, "the rate rests on 4")}
        assert gates[id_].verdict == verdict, gates[id_]
        assert "the rate rests on 4" in gates[id_].evidence
    row = table.set_index("name").loc[name]
    assert row["shift"] == pytest.approx(bad, abs=0.1)
    assert row["shift_lower"] <= row["shift"] <= row["shift_upper"]


def test_counterfactuals_of_a_detector_that_cannot_be_asked_are_not_judged_with_the_reason():
    nothing = np.empty(0)
    table = counterfactuals.changes(
        [
            counterfactuals.Counterfactual(n, "", nothing, nothing, "known by its scores alone")
            for n in counterfactuals.ABOUT
        ],
        0.0,
    )
    gates = counterfactuals.gates(table, SETTINGS, "")
    assert {(gate.verdict, gate.cannot) for gate in gates} == {(gate_table.NOT_JUDGED, "known by its scores alone")}
    left = counterfactuals.gates(counterfactuals.changes([], 0.0), SETTINGS, "")
    assert {gate.verdict for gate in left} == {gate_table.ABSENT}


def test_counterfactuals_at_another_threshold_follow_from_the_scores_that_are_kept():
    names = [*counterfactuals.ABOUT]
    found = [
        counterfactuals.Counterfactual(n, counterfactuals.ABOUT[n], one.before, one.after)
        for n, one in ((n, pairs(0.5 * i, name=n)) for i, n in enumerate(names[:2]))
    ]
    nothing = np.empty(0)
    found.append(counterfactuals.Counterfactual(names[2], counterfactuals.ABOUT[names[2]], nothing, nothing, "deaf"))
    kept = schema.COUNTERFACTUAL_SCORES.check_table(
        schema.COUNTERFACTUAL_SCORES.cast_table(counterfactuals.kept(found))
    )
    first = counterfactuals.changes(found, 1.0)
    again = counterfactuals.again(kept, first.set_index("name")["why_not"].to_dict())
    for threshold in (1.0, 2.0):
        expected = counterfactuals.changes(found, threshold)
        pd.testing.assert_frame_equal(counterfactuals.changes(again, threshold), expected)
    assert expected["base"].iloc[0] < first["base"].iloc[0]
    assert counterfactuals.again(counterfactuals.kept([]), {}) == []


def test_scores_without_a_test_split_are_judged_nowhere_and_say_why():
    found = run(splits=("val",))
    tables, gates = scores.judge(found, scores.thresholds(found, [0.1]), FACTS, TERMS)
    assert (tables["measures"]["why_not"] == "0 scored lenses and 0 scored negatives, fewer than 1").sum() >= 3
    assert tables["measures"]["value"].isna().all()
    for table in tables.values():
        assert isinstance(table, pd.DataFrame)
    assert {gate.id: gate.verdict for gate in gates}["detector.strata"] == gate_table.NOT_JUDGED


def test_radii_that_do_not_grow_are_refused():
    with pytest.raises(ValueError, match="expected the second above the first"):
        config.Scores(core_radius_arcsec=6)


def test_the_weights_of_a_large_sample_come_in_parts_that_change_nothing(monkeypatch):
    found = sample(run())
    whole = found.resampled(lambda w, _: w.sum(1))
    monkeypatch.setattr(rows, "AT_ONCE", 3000)
    np.testing.assert_array_equal(sample(run()).resampled(lambda w, _: w.sum(1)), whole)
