"""A draw depends on the seed, the purpose and the object, and on nothing else."""

import numpy as np
import pytest
from scipy import stats

from lenscal.kernels import draws

PINNED = np.array([1578019948189832959, 7848941433767525018, 14468016727545818374], np.uint64)
PINNED_GENERATOR = 1207462890178448886


def test_order_and_grouping_do_not_matter():
    ids = np.arange(1000)
    whole = draws.uniform(1, "split", ids)
    shuffled = np.random.default_rng(0).permutation(ids)
    np.testing.assert_array_equal(draws.uniform(1, "split", shuffled), whole[shuffled])
    np.testing.assert_array_equal(draws.uniform(1, "split", ids[500:]), whole[500:])


def test_numbers_are_uniform_and_streams_unrelated():
    ids = np.arange(200_000)
    u = [
        draws.uniform(seed, purpose, ids, stream)
        for seed, purpose, stream in [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1)]
    ]
    for x in u:
        assert stats.kstest(x, "uniform").pvalue > 1e-3
    correlation = np.corrcoef(u)
    assert np.abs(correlation - np.eye(4)).max() < 0.01


def test_neighbouring_ids_are_unrelated():
    u = draws.uniform(3, "a", np.arange(200_000))
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01


def test_values_are_pinned_so_that_old_runs_stay_reproducible():
    np.testing.assert_array_equal(draws.hashes(1, "split", np.array([0, 1, 2])), PINNED)
    assert draws.generator(1, "noise", 7).integers(1 << 62) == PINNED_GENERATOR


def test_ids_must_be_integers():
    with pytest.raises(TypeError, match="not integers"):
        draws.uniform(1, "a", np.array([1.0]))
