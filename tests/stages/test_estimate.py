"""The quick doubly robust estimate is the one that fits anew for every fold and every group of hosts left out."""

import numpy as np
import pytest
import refitted
from scipy.special import expit

from lenscal.kernels import draws
from lenscal.selection.balance import entropy_weights
from lenscal.selection.estimate import estimate, moved

GROUPS = 16


def drawn(seed, n=3000, m=400, rare=0.0):
    """Scaled trials and systems, what is found, and groups of hosts."""
    rng = np.random.default_rng(seed)
    host = rng.integers(0, 300, n)
    sample = np.column_stack([rng.normal(size=n), rng.uniform(-1.7, 1.7, n), rng.normal(size=300)[host]])
    systems = np.column_stack([0.4 + 0.6 * rng.normal(size=m), rng.uniform(-1, 1, m), -0.3 + 0.5 * rng.normal(size=m)])
    chance = lambda x: expit(2 * x[:, 0] - x[:, 1] ** 2 + 0.5 * x[:, 2] - rare)  # noqa: E731
    group = (draws.hashes(seed, "group", host) % np.uint64(GROUPS)).astype(int)
    return sample, systems, (rng.random(n) < chance(sample)).astype(float), group, chance(systems)


@pytest.mark.parametrize(("seed", "rare"), [(1, 0.0), (2, 3.0)])
def test_it_gives_the_numbers_of_the_slow_twin(seed, rare):
    sample, systems, found, group, truth = drawn(seed, rare=rare)
    said = estimate(sample, systems, found, group, GROUPS)
    value, plain, model, weight, deviation = refitted.estimate(sample, systems, found, group)
    left = said.scatter.mean(1)
    own = np.sqrt((GROUPS - 1) / GROUPS * np.square(left - left.mean()).sum())
    assert said.value == pytest.approx(value, abs=0.05 * deviation)
    assert said.model == pytest.approx(model, abs=0.05 * deviation)
    assert said.plain == pytest.approx(plain, abs=1e-5)
    np.testing.assert_allclose(said.weight, weight, rtol=1e-3)
    assert own == pytest.approx(deviation, rel=0.05)
    assert said.value == pytest.approx(truth.mean(), abs=4 * own)


def test_weights_are_those_of_another_minimiser():
    sample, systems, *_ = drawn(3)
    np.testing.assert_allclose(
        entropy_weights(sample, systems.mean(0)), refitted.weights(sample, systems.mean(0)), rtol=1e-3
    )


def test_a_target_beyond_the_sample_ends_with_weights_all_the_same():
    sample = np.random.default_rng(1).normal(size=(500, 2))
    weight = entropy_weights(sample, np.array([9.0, 0.0]))
    assert weight.sum() == pytest.approx(1)
    assert np.isfinite(weight).all()
    assert sample[weight.argmax(), 0] == sample[:, 0].max()


@pytest.mark.parametrize("mean", [1e-5, 0.2, 0.97])
def test_probabilities_are_moved_to_the_mean_that_is_asked(mean):
    chance = expit(np.random.default_rng(0).normal(0, 3, 500))
    np.testing.assert_allclose(moved(chance, mean), refitted.moved(chance, mean), rtol=1e-8)
    assert moved(chance, mean).mean() == pytest.approx(mean, abs=1e-12)
