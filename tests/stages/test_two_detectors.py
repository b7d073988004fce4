"""Two detectors on the same trials: pairs are made by id, trials of one host are taken together, and intervals hold."""

import numpy as np
import pandas as pd
import pytest

from lenscal.errors import InputError
from lenscal.experiments.two_detectors import HOSTS_MIN, compared, design_effect, joined
from lenscal.kernels import proportions


def trials(first, second, host=None, **more):
    n = len(first)
    host = np.arange(n) if host is None else host
    return pd.DataFrame({"id": np.arange(n), "first": first, "second": second, "host": host, **more})


def test_pairs_are_made_by_id_whatever_the_order_and_what_is_left_out_is_counted():
    one = pd.DataFrame({"id": [1, 2, 3, 4, 9], "host": [5, 5, 6, 6, 7], "score": [0.1, 0.2, np.nan, 0.4, 1.0]})
    two = pd.DataFrame({"id": [4, 8, 2, 3, 1], "score": [4.0, 8.0, 2.0, 3.0, np.nan]})
    both = joined(one, two)
    assert both["id"].tolist() == [2, 4]
    assert both["second"].tolist() == [2.0, 4.0]
    assert both.attrs == {"only_first": 1, "only_second": 1, "without_a_score": 2}


def test_tables_that_share_no_trial_or_repeat_one_are_refused():
    one = pd.DataFrame({"id": [1, 2], "host": [1, 1], "score": [0.0, 1.0]})
    with pytest.raises(InputError, match="no id is common"):
        joined(one, one.assign(id=[3, 4]))
    with pytest.raises(InputError, match="1 ids of the second detector are repeated"):
        joined(one, one.assign(id=[1, 1]))


def test_independent_trials_have_newcombes_interval_and_counts_are_exact():
    first = np.repeat([1.0, 1.0, 0.0, 0.0], [30, 10, 4, 56])
    second = np.repeat([5.0, 2.0, 5.0, 2.0], [30, 10, 4, 56])
    (row,) = compared(trials(first, second), (0.5, 3.0)).to_dict("records")
    assert [row[name] for name in ("both", "only_first", "only_second", "neither")] == [30, 10, 4, 56]
    assert row["difference"] == pytest.approx(-0.06)
    assert row["union"] == pytest.approx(0.44)
    assert row["agreement"] == pytest.approx(0.86)
    expected = proportions.paired_difference(*(np.array([30, 10, 4, 56]) / row["design_effect"]), 0.95)
    assert (row["lower"], row["upper"]) == pytest.approx(expected[1:])
    assert 1 <= row["design_effect"] < 1.1


def test_a_score_at_the_threshold_is_a_detection_of_either():
    (row,) = compared(trials(np.full(8, 0.5), np.full(8, 3.0)), (0.5, 3.0)).to_dict("records")
    assert row["both"] == 8


def test_the_design_effect_of_hosts_whose_trials_are_all_alike_is_their_number():
    host = np.repeat(np.arange(400), 5)
    value = np.random.default_rng(0).normal(size=400)[host]
    assert design_effect(value, host) == pytest.approx(5, rel=0.02)
    assert design_effect(np.random.default_rng(1).normal(size=2000), host) == pytest.approx(1, abs=0.15)
    assert design_effect(np.ones(10), np.zeros(10, int)) == 1


def test_few_hosts_give_counts_and_no_interval():
    host = np.repeat(np.arange(HOSTS_MIN - 1), 20)
    (row,) = compared(trials(np.ones(host.size), np.zeros(host.size), host), (0.5, 0.5)).to_dict("records")
    assert row["difference"] == -1
    assert np.isnan([row["lower"], row["union_upper"], row["mid_p"]]).all()


def test_cells_are_compared_apart():
    table = trials(np.r_[np.ones(20), np.zeros(20)], np.ones(40), theta_e=np.repeat([1.0, 2.0], 20))
    found = compared(table, (0.5, 0.5), ("theta_e",))
    assert found["difference"].tolist() == [0, 1]
    assert found["theta_e"].tolist() == [1, 2]


@pytest.mark.parametrize(("rho", "each"), [(0.0, 1), (0.0, 4), (0.3, 4), (0.3, 10)])
def test_intervals_of_the_difference_and_of_the_union_hold_for_clustered_hosts(rho, each):
    """600 surveys of 120 hosts: the truth of a host is drawn, its trials are alike by rho in both detectors."""
    rng, hits, either, n_rep = np.random.default_rng(7), 0, 0, 600
    host = np.repeat(np.arange(120), each)
    means = np.array([0.35, 0.1, 0.2, 0.35])  # both, first alone, second alone, neither
    for _ in range(n_rep):
        if rho:
            share = rng.dirichlet(means * (1 - rho) / rho, 120)
        else:
            share = np.broadcast_to(means, (120, 4))
        kind = (rng.random(host.size)[:, None] > np.cumsum(share, 1)[host]).sum(1).clip(0, 3)
        table = trials(np.isin(kind, [0, 1]).astype(float), np.isin(kind, [0, 2]).astype(float), host)
        (row,) = compared(table, (0.5, 0.5)).to_dict("records")
        hits += row["lower"] <= 0.1 <= row["upper"]
        either += row["union_lower"] <= 0.65 <= row["union_upper"]
    error = 3 * np.sqrt(0.95 * 0.05 / n_rep)
    assert abs(hits / n_rep - 0.95) < 0.02 + error
    assert abs(either / n_rep - 0.95) < 0.02 + error
