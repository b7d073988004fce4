"""Counts are host by host, and one interval covers as stated whether the trials on a host are alike or not."""

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import betabinom, binom, multivariate_hypergeom, norm, t

from lenscal.kernels import intervals, likeness, recovery


def test_tally_counts_each_host_as_five_obvious_lines_do():
    rng = np.random.default_rng(1)
    host = rng.integers(-5, 9, (3, 40)) * 10**14
    score = rng.normal(size=(3, 40)).astype("f4")
    score[host < 0] = np.nan
    cuts = np.array([score[0, np.isfinite(score[0])][0], -9, 9], float)
    hosts, injected, detected = likeness.tally(host, score, cuts)
    assert hosts.tolist() == sorted(set(host[np.isfinite(score)]))
    for row, (i, h) in itertools.product(range(3), enumerate(hosts)):
        own = (host[row] == h) & np.isfinite(score[row])
        assert injected[row, i] == own.sum()
        assert detected[row, :, i].tolist() == [np.sum(score[row][own] >= np.float64(cut)) for cut in cuts]


def test_tally_of_a_cell_without_scores_is_empty():
    hosts, injected, detected = likeness.tally(np.full((2, 4), -1), np.full((2, 4), np.nan), np.array([0.5]))
    assert (hosts.size, injected.shape, detected.shape) == (0, (2, 0), (2, 1, 0))


@pytest.mark.parametrize("n", [(3, 2, 2), (4, 1, 1, 1), (2, 2)])
def test_excess_has_mean_zero_and_the_stated_variance_when_hosts_do_not_matter(n):
    # All ways to share K detections out, each with its exact probability.
    for found in range(1, sum(n)):
        ways = np.array([k for k in itertools.product(*(range(m + 1) for m in n)) if sum(k) == found])
        weight = multivariate_hypergeom.pmf(ways, n, found)
        sums = likeness.pair_sums(np.array(n), ways)
        assert np.sum(weight * sums.excess) == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(sums.variance, np.sum(weight * sums.excess**2), atol=1e-12)


UNEQUAL = [(3, 1, 4), (20, 3, 3, 1), (6, 6, 6), (1, 2, 9, 2)]


@pytest.mark.parametrize("n", UNEQUAL)
def test_excess_is_the_scatter_of_hosts_about_the_share_of_their_cell(n):
    n = np.array(n)
    for seed in range(10):
        k = np.random.default_rng(seed).binomial(n, 0.4)
        total, found = n.sum(), k.sum()
        if not 0 < found < total:
            continue
        p = found / total
        chance = sum(m * p * (1 - p) * (total - m) / (total - 1) for m in n)  # hypergeometric variance of each host
        assert likeness.pair_sums(n, k).excess == pytest.approx(sum((q - m * p) ** 2 for m, q in zip(n, k)) - chance)


@pytest.mark.parametrize("n", UNEQUAL)
def test_found_and_missed_tell_the_same(n):
    # A statistic that counts pairs of detections does not: with unequal hosts it leans to one side.
    n = np.array(n)
    k = np.random.default_rng(1).binomial(n, 0.3, (50, n.size))
    for one, other in zip(likeness.pair_sums(n, k), likeness.pair_sums(n, n - k)):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("rho", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("n", [(3, 2, 2), (4, 1, 1, 1), (7, 2)])
def test_scale_is_what_a_correlation_adds_to_the_excess(n, rho):
    # Every outcome of beta-binomial hosts with its exact probability; cells that tell nothing have neither.
    p, excess, scale, told = 0.35, 0.0, 0.0, 0.0
    strength = (1 - rho) / max(rho, 1e-12)
    for k in itertools.product(*(range(m + 1) for m in n)):
        if rho == 1:
            chance = np.prod([{0: 1 - p, m: p}.get(q, 0.0) for q, m in zip(k, n)])
        else:
            law = binom(n, p) if rho == 0 else betabinom(n, strength * p, strength * (1 - p))
            chance = float(np.prod(law.pmf(k)))
        sums = likeness.pair_sums(np.array(n), np.array(k))
        excess, scale, told = (
            excess + chance * sums.excess,
            scale + chance * sums.scale,
            told + chance * (sums.scale != 0),
        )
    assert excess == pytest.approx(rho * scale, abs=0.03 * scale)


@pytest.mark.parametrize(
    ("n", "k"), [([5], [2]), ([1, 1, 1], [1, 0, 1]), ([3, 3], [0, 0]), ([3, 3], [3, 3]), ([0, 0], [0, 0])]
)
def test_cells_that_tell_nothing_add_nothing(n, k):
    assert [float(value) for value in likeness.pair_sums(np.array(n), np.array(k))] == [0, 0, 0]


def clustered(rng, truth, n, rho):
    """Detections of hosts whose own shares scatter about the truth with the intra-host correlation rho."""
    if rho == 0:
        return rng.binomial(n, truth[..., None])
    strength = (1 - rho) / rho
    shapes = np.maximum(strength * np.stack([truth, 1 - truth])[..., None], 1e-300)
    own = np.nan_to_num(rng.beta(*shapes, (*truth.shape, n.size)))
    return rng.binomial(n, own)


def split_of(trials, hosts):
    return np.bincount(np.arange(trials) % hosts, minlength=hosts)


@pytest.mark.parametrize("rho", [0.1, 0.3])
def test_correlation_is_recovered_from_a_column(rho):
    rng = np.random.default_rng(3)
    n = split_of(200, 35)
    k = clustered(rng, rng.uniform(0.05, 0.95, (11, 300)), n, rho)
    sums = likeness.pair_sums(n, k)
    found = [recovery.correlation(likeness.PairSums(*(s[:, [i]] for s in sums)))[0] for i in range(300)]
    assert np.mean(found) == pytest.approx(rho, abs=4 * np.std(found) / np.sqrt(300) + 0.002)
    assert np.std(found) < 0.05


def test_independent_trials_are_seldom_called_clustered():
    rng = np.random.default_rng(4)
    n = split_of(200, 35)
    sums = likeness.pair_sums(n, clustered(rng, rng.beta(0.5, 0.5, (11, 3000)), n, 0))
    rho = np.array([recovery.correlation(likeness.PairSums(*(s[:, [i]] for s in sums)))[0] for i in range(3000)])
    assert np.mean(rho > 0) == pytest.approx(recovery.DETECTION_LEVEL, abs=0.03)
    assert np.mean(rho) < 0.01


def test_a_column_where_little_is_found_is_not_told_by_the_middle_of_the_rise():
    # Hosts decide all where half is found and nothing where little is: each column keeps its own correlation.
    rng = np.random.default_rng(3)
    n = split_of(200, 35)
    truth = np.repeat([[0.03, 0.5]], 60, 0)
    k = np.stack([clustered(rng, truth[:, 0], n, 0), clustered(rng, truth[:, 1], n, 0.4)], 1)
    rho = recovery.correlation(likeness.pair_sums(n, k))
    assert rho[0] < 0.06
    assert rho[1] == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("trials", [(5,) * 30, (8, 8, 8), (40, 20, 10, 5, 5), (1, 1, 1)])
def test_unequal_hosts_count_as_fewer_equal_ones(trials):
    n = np.array(trials)
    assert recovery.hosts_effective(n) == pytest.approx(n.sum() ** 2 / np.sum(n**2))
    assert recovery.hosts_effective(n) <= n.size
    assert recovery.hosts_effective(n * 0) == 0


@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_an_interval_of_few_hosts_takes_students_quantile_for_what_hosts_add(level):
    tail = (1 + level) / 2
    ratio = (t.ppf(tail, 4) / norm.ppf(tail)) ** 2
    assert recovery.widened(3.0, 4, level) == pytest.approx(1 + 2 * ratio)
    assert recovery.widened(1.0, 4, level) == 1, "independent trials need no estimate of what hosts add"
    assert recovery.widened(3.0, 1e6, level) == pytest.approx(3, abs=1e-4)
    assert np.isnan(recovery.widened(np.nan, 4, level))


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ([35.0], True),
        ([26.0], True),
        ([25.9], False),
        ([3.0] * 7, False),
        ([3.0] * 8, True),
        ([1.0] * 100, False),
        ([1.0] * 100 + [17.0], True),
        ([], False),
        ([0.0, 0.0], False),
        ([[9.0]] * 6, False),
        ([[9.0, 9.0]] * 2, True),
        ([[9.0, 9.0]], False),
        ([[26.0], [0.0]], True),
    ],
)
def test_few_hosts_tell_nothing(hosts, told):
    assert recovery.told(np.array(hosts)) is told


def test_a_column_that_tells_nothing_borrows_from_the_others():
    n = np.full(40, 5)
    own = np.zeros((3, 2, 40), int)
    own[:, 0] = np.where(np.arange(40) % 2, 5, 0)  # a host is found always or never
    rho = recovery.correlation(likeness.pair_sums(n, own))
    np.testing.assert_allclose(rho, 1, atol=0.03)
    assert np.isnan(recovery.correlation(likeness.pair_sums(n, own[:, 1:]))).all()


def test_design_effect_counts_trials_of_equal_hosts():
    assert recovery.design_effect(np.full(40, 5), 0.25) == 2
    assert recovery.design_effect(np.array([8, 0, 2]), 1.0) == 6.8
    assert recovery.design_effect(np.array([200]), np.nan) == 200, (
        "one host is worth one trial where nothing else is known"
    )
    assert recovery.design_effect(np.array([5, 5]), np.nan) == 1
    assert np.isnan(recovery.design_effect(np.zeros(3), 0.0))


# Of truths drawn from the prior: 11 x 35 cells of 200 trials on 30 or 40 hosts, five cubes each.
@pytest.mark.parametrize("hosts", [30, 40])
@pytest.mark.parametrize("rho", [0, 0.1, 0.2, 0.3])
def test_interval_covers_as_stated_with_and_without_clustering(rho, hosts):
    rng = np.random.default_rng(hosts * 10 + int(10 * rho))
    n = split_of(200, hosts)
    inside = {0.6827: [], 0.95: []}
    for _ in range(5):
        truth = rng.beta(0.5, 0.5, (11, 35))
        k = clustered(rng, truth, n, rho)
        effect = recovery.design_effect(n, recovery.correlation(likeness.pair_sums(n, k)))
        for level, found in inside.items():
            lower, upper = intervals.interval(k.sum(-1) / effect, 200 / effect, level)
            found.append((lower <= truth) & (truth <= upper))
    for level, found in inside.items():
        error = np.sqrt(level * (1 - level) / np.size(found))
        assert level - 3 * error < np.mean(found) < level + 3 * error + 0.02


@pytest.mark.parametrize("rho", [0, 0.1, 0.3])
def test_a_lone_cell_covers_nearly_as_stated(rho):
    rng = np.random.default_rng(6)
    n = split_of(200, 35)
    truth = rng.beta(0.5, 0.5, 4000)
    k = clustered(rng, truth, n, rho)
    sums = likeness.PairSums(*(value[None, None] for value in likeness.pair_sums(n, k)))  # each row a cube of its own
    effect = recovery.design_effect(n, recovery.correlation(sums)[0])
    for level, under, over in ((0.6827, 0.015, 0.06), (0.95, 0.02, 0.025)):
        lower, upper = intervals.interval(k.sum(-1) / effect, 200 / effect, level)
        assert level - under - 0.015 < np.mean((lower <= truth) & (truth <= upper)) < level + over


def test_interval_that_forgets_the_hosts_would_not_cover():
    rng = np.random.default_rng(5)
    n = split_of(200, 35)
    truth = rng.beta(0.5, 0.5, (11, 35))
    lower, upper = intervals.interval(clustered(rng, truth, n, 0.3).sum(-1), 200, 0.6827)
    assert np.mean((lower <= truth) & (truth <= upper)) < 0.58


def test_a_cell_of_few_hosts_has_no_interval_though_others_tell_how_alike_trials_are():
    hosts = np.array([[35.0, 4.9, 5.0, 0.0]])
    np.testing.assert_array_equal(recovery.enough(hosts), [[True, False, True, False]])
    assert not recovery.enough(hosts[:, 1:]).any()


def test_cells_of_all_completenesses_count_alike_in_the_correlation():
    # Hosts matter where half is found and do not where little is: the plain sums tell of the first alone.
    rng = np.random.default_rng(8)
    n = split_of(200, 35)
    k = np.concatenate([clustered(rng, np.full((400, 1), 0.5), n, 0.3), clustered(rng, np.full((400, 1), 0.1), n, 0.0)])
    sums = likeness.pair_sums(n, k)
    plain, levelled = (float(recovery.correlation(one)[0]) for one in (sums, likeness.levelled(sums, n, k)))
    assert plain > 0.2
    assert levelled == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize("trials", [split_of(200, 35), np.array([50, 30, 20, *[5] * 20])])
def test_two_halves_of_the_hosts_tell_by_how_much_correlations_differ_between_cells(trials):
    rng = np.random.default_rng(9)
    truth = rng.uniform(0.2, 0.8, (6, 3000))
    alike = clustered(rng, truth, trials, 0.2)
    differ = np.concatenate(
        [clustered(rng, truth[:, :1500], trials, 0.05), clustered(rng, truth[:, 1500:], trials, 0.35)], 1
    )
    for k, expected in ((alike, 0.0), (differ, 0.15**2)):
        products = [part.sum(0) for part in recovery.halves(trials, k, np.full(truth.shape, 0.2))]
        square = products[0].sum() / products[1].sum()
        assert square == pytest.approx(expected, abs=0.004)
        assert (likeness.scatter(*products) > 0) == (expected > 0)
    assert likeness.scatter(*(part[:9] for part in products)) == 0, "few columns tell nothing of it"


@pytest.mark.parametrize(("level", "towards"), [(0.6827, -1), (0.95, 1)])
def test_the_quantiles_of_cells_that_differ_are_those_of_a_mixture(level, towards):
    # Errors of one standard deviation in three, half and twice the variance: numbers of the mixture itself.
    variances = np.array([0.5, 1.0, 1.5])
    relative = variances.var() / variances.mean() ** 2
    true = brentq(lambda x: np.mean(2 * norm.cdf(x / np.sqrt(variances)) - 1) - level, 0.1, 10)
    width = np.sqrt(recovery.widened(4.0, 1e9, level, relative) / 4.0)
    assert (width - 1) * towards > 0
    assert width == pytest.approx(true / norm.ppf((1 + level) / 2), abs=0.01)
    assert recovery.widened(1.0, 1e9, level, 1.0) >= 1
