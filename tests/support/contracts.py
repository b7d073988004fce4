"""What every implementation of a protocol must do; a new one is held to it by a line in `tests/test_contracts.py`."""

import pickle

import numpy as np
import pandas as pd

from lenscal.clusters import Cluster
from lenscal.detector import Detector
from lenscal.engine import events
from lenscal.engine.executors import Job
from lenscal.engine.executors.on_dask import OnDask
from lenscal.io.empty import unread
from lenscal.io.survey import Survey


def stamps_for(detector, count=7, seed=3):
    """Stamps with a source each, larger than the detector's crop, in as many bands."""
    rng = np.random.default_rng(seed)
    side = detector.size + 5
    y, x = np.mgrid[:side, :side] - side // 2
    light = np.exp(-0.5 * (np.hypot(y, x) / 3) ** 2)
    return rng.normal(0, 0.01, (count, len(detector.bands), side, side)) + light * rng.uniform(
        0.1, 20, (count, len(detector.bands), 1, 1)
    )


def check_detector(detector):
    """Hold a detector to `lenscal.detector.Detector`."""
    assert isinstance(detector, Detector)
    assert len(detector.hash) == 64
    assert int(detector.hash, 16) >= 0
    images = stamps_for(detector)
    scores = detector.score(images)
    assert scores.shape == (7,)
    assert np.isfinite(scores).all()
    assert np.unique(scores).size > 1
    order = np.random.default_rng(1).permutation(7)
    for found in (
        detector.score(images, batch=2),
        detector.score(images[order])[np.argsort(order)],
        np.concatenate([detector.score(images[i : i + 1]) for i in range(7)]),
        detector.score(images.astype(">f8")),  # as FITS gives it
        detector.score(np.asfortranarray(images)),
        detector.score(np.ma.masked_array(images, False)),
        pickle.loads(pickle.dumps(detector)).score(images),
    ):
        np.testing.assert_allclose(found, scores, rtol=1e-5, atol=1e-5)
    start = (images.shape[-1] - detector.size) // 2
    np.testing.assert_allclose(
        detector.score(images[:, :, start : start + detector.size, start : start + detector.size]),
        scores,
        rtol=1e-5,
        atol=1e-5,
    )
    beyond = images.copy()
    beyond[:, :, 0, 0] = np.nan  # outside of the crop
    np.testing.assert_allclose(detector.score(beyond), scores, rtol=1e-5, atol=1e-5)
    holes = images.copy()
    holes[1, -1] = np.nan
    holes[2, 0, start, start] = np.nan
    found = detector.score(holes)
    assert np.isnan(found[1])
    assert np.isfinite(np.delete(found, 1)).all()
    masked = np.ma.masked_invalid(holes)
    np.testing.assert_array_equal(detector.score(masked), found)
    assert detector.score(images[:0]).shape == (0,)
    assert pickle.loads(pickle.dumps(detector)).hash == detector.hash
    chance = detector.probability(np.array([-3.0, 0.0, 3.0, np.nan]))
    assert chance.dtype == np.float32
    assert (np.diff(chance[:3]) > 0).all()
    assert np.isnan(chance[3])


def check_survey(survey, rows, tmp_path):
    """Hold a survey to `lenscal.io.survey.Survey`, by rows of which some have pixels."""
    assert isinstance(survey, Survey)
    assert all(isinstance(sentence, str) and sentence for sentence in survey.check())
    assert bool(survey.tables()) <= survey.has_catalogue
    hashed = []
    inputs = survey.pixel_inputs(lambda path: hashed.append(path) or f"hash of {path.name}")
    assert inputs
    assert all(path.exists() for path in hashed)
    whole = survey.read(rows, 21)
    empty = unread(rows, 21, "layer", False)
    assert set(empty.variables) <= set(whole.variables)
    assert whole.sizes["galaxy"] == len(rows)
    assert whole["image"].dtype == np.float32
    assert whole["image"].shape[-2:] == (21, 21)
    assert (whole["failure"].values.astype(object) == "").any()
    turned = survey.read(rows[::-1].reset_index(drop=True), 21)
    np.testing.assert_array_equal(turned["image"].values[::-1], whole["image"].values)
    nowhere = pd.concat([rows[:1], rows[:1].assign(ra=np.nan)], ignore_index=True)
    if survey.has_catalogue:
        found = survey.read(nowhere, 21)
        assert found["failure"].values[1] != ""
        assert np.isnan(found["image"].values[1]).all()
        np.testing.assert_array_equal(found["image"].values[0], whole["image"].values[0])
    assert survey.read(rows[:0], 21).sizes["galaxy"] == 0


def check_cluster(cluster):
    """Hold a cluster to `lenscal.clusters.Cluster`: it does blocks, tells of them, and ends with its context."""
    assert isinstance(cluster, Cluster)
    assert pickle.loads(pickle.dumps(cluster)) == cluster
    ended = {}
    for _ in range(2):  # it can be used again
        with OnDask(cluster, block_timeout=60, workers_timeout=60) as executor:
            executor.do(
                Job(
                    "stage",
                    pow,
                    [(2, n) for n in range(9)],
                    [f"block {n}" for n in range(9)],
                    ended.__setitem__,
                    "contract",
                    events.Events(),
                )
            )
            executor.do(
                Job(
                    "stage",
                    pow,
                    [(3, n) for n in range(3)],
                    [f"block {n}" for n in range(3)],
                    lambda i, gave: ended.__setitem__(("3", i), gave),
                    "contract",
                )
            )
        assert ended == {**{n: 2**n for n in range(9)}, **{("3", n): 3**n for n in range(3)}}
        assert set(executor.memory) == {"driver", "workers"}
