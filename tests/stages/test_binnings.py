"""The mean completeness does not follow the binning of the exposures, and where it does the gate fails."""

import numpy as np
import pandas as pd
import pytest

from lenscal.completeness import binnings
from lenscal.errors import InputError


def drawn(seed=1, n=6000, hosts=600, slope=0.0, unlike=0.0):
    """Trials whose share found changes with the exposures, on hosts that are drawn unlike the pool."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"galaxy_id": np.arange(hosts), "nobs_z": rng.integers(1, 16, hosts)})
    chance = np.exp(unlike * table["nobs_z"].to_numpy())
    host = rng.choice(hosts, n, p=chance / chance.sum())
    share = 0.5 + slope * (table["nobs_z"].to_numpy()[host] - 8)
    trials = pd.DataFrame({"galaxy_id": host, "found": (rng.random(n) < share).astype(float)})
    return trials, table


def test_each_binning_is_a_group_by_weighed_by_its_hosts():
    trials, hosts = drawn(slope=0.04)
    table = binnings.by_exposures(trials, hosts, "found")
    seen = hosts["nobs_z"].to_numpy()[trials["galaxy_id"]]
    own = table[table["binning"] == "few or many"]
    few = trials["found"][seen < 6].mean(), trials["found"][seen >= 6].mean()
    assert own["completeness"].tolist() == pytest.approx(few)
    share = (hosts["nobs_z"] < 6).mean()
    assert own["mean"].iloc[0] == pytest.approx(share * few[0] + (1 - share) * few[1])
    assert table.groupby("binning")["n_injected"].sum().eq(len(trials)).all()
    assert table.groupby("binning")["share"].sum().to_numpy() == pytest.approx(1)


@pytest.mark.parametrize(
    ("slope", "unlike", "verdict"), [(0.0, 0.0, "pass"), (0.04, 0.0, "pass"), (0.0, 0.15, "pass"), (0.04, 0.15, "fail")]
)
def test_only_trials_unlike_the_hosts_where_completeness_depends_on_exposures_fail(slope, unlike, verdict):
    verdicts = [
        binnings.gate(binnings.by_exposures(*drawn(seed, slope=slope, unlike=unlike), "found")).verdict
        for seed in range(5)
    ]
    assert verdicts.count(verdict) >= 4


def test_the_deviation_is_that_of_repeated_surveys():
    found = [binnings.by_exposures(*drawn(seed, n=1500), "found") for seed in range(60)]
    means = np.array([table["mean"].iloc[0] for table in found])
    told = np.mean([table["deviation"].iloc[0] for table in found])
    assert told == pytest.approx(means.std(ddof=1), rel=0.25)


def test_weights_stand_for_another_population():
    trials, hosts = drawn()
    weight = np.where(hosts["nobs_z"] < 6, 2.0, 0.0)
    table = binnings.by_exposures(
        trials.assign(weight=weight[trials["galaxy_id"]]), hosts.assign(weight=weight), "found", "weight"
    )
    few = trials["found"][hosts["nobs_z"].to_numpy()[trials["galaxy_id"]] < 6].mean()
    assert table["mean"].to_numpy() == pytest.approx(few, abs=0.03)
    assert table[table["binning"] == "few or many"]["share"].tolist() == [1, 0]


def test_bins_without_a_trial_have_no_number_and_are_told():
    trials, hosts = drawn()
    kept = trials[hosts["nobs_z"].to_numpy()[trials["galaxy_id"]] < 11]
    table = binnings.by_exposures(kept, hosts, "found")
    row = table[(table["binning"] == "as sampled") & (table["bin"] == 11)].iloc[0]
    assert row["n_injected"] == 0
    assert np.isnan(row["completeness"])
    assert f"at most {row['share']:.1%}" in binnings.gate(table).evidence


def test_trials_without_a_score_or_with_a_host_of_another_run_are_refused():
    trials, hosts = drawn()
    with pytest.raises(InputError, match="no trial has a score"):
        binnings.by_exposures(trials.assign(found=np.nan), hosts, "found")
    with pytest.raises(InputError, match="have a host without nobs_z"):
        binnings.by_exposures(trials, hosts[:10], "found")


def test_none_found_leaves_the_gate_open():
    trials, hosts = drawn()
    gate = binnings.gate(binnings.by_exposures(trials.assign(found=0.0), hosts, "found"))
    assert gate.verdict == "not judged"
