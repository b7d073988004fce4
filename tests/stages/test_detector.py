"""A frozen detector is what was trained, sees what training saw, and scores a stamp alike in any company."""

import io
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from contracts import check_detector
from scipy.special import expit
from torch import nn

from lenscal import config
from lenscal.detector import (
    architectures,
    batches,
    calibration,
    fitting,
    frozen,
    network,
    precision,
    preprocessing,
    training,
)
from lenscal.kernels import draws
from lenscal.kernels.reliability import equal_mass_bins

SIGMA = np.array([0.002, 0.003, 0.008])


class Small(nn.Module):
    """A quick plug-in; `seen` keeps what it was shown while a list is there."""

    seen: list | None = None

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 5, 4)
        self.fc = nn.Linear(8, 1)

    def forward(self, x):
        if Small.seen is not None:
            Small.seen.append(x.detach().cpu().numpy().copy())
        return (torch.relu(self.conv1(x)).mean((2, 3)) * self.fc.weight[0]).sum(1) + self.fc.bias


architectures.register("small-test", Small)


def sky(n_lens, n_other, stamp=30, seed=3):
    """Round galaxies; a lens has a blue ring too. One in five lenses of each split is an anchor."""
    rng = np.random.default_rng(seed)
    n = n_lens + n_other
    lens = rng.permutation(np.arange(n) < n_lens)
    y, x = np.mgrid[:stamp, :stamp] - (stamp - 1) / 2
    r = np.hypot(x, y)
    galaxy, ring = np.exp(-r / 2), np.exp(-((r - 6) ** 2) / 2)
    image = rng.standard_normal((n, 3, stamp, stamp)) * SIGMA[:, None, None]
    image += np.multiply.outer(rng.uniform(0.1, 0.4, n), np.array([0.3, 1, 2])[:, None, None] * galaxy)
    image += np.multiply.outer(lens * rng.uniform(0.02, 0.05, n), np.array([1, 1, 0.5])[:, None, None] * ring)
    place = np.empty(n, int)
    for group in (lens, ~lens):
        place[group] = np.arange(group.sum()) % 5
    split = np.array(["train", "train", "train", "val", "test"])[place]
    number = np.cumsum(lens)
    role = np.where(lens & (number % 4 != 0), "train", np.where(lens, "anchor", "none"))
    one, text = (lambda v: ("galaxy", v, {"units": "1"})), (lambda v: ("galaxy", v.astype(np.dtypes.StringDType())))
    return xr.Dataset(
        {
            "image": (("galaxy", "band", "y", "x"), image.astype("f4"), {"units": "nanomaggy"}),
            "cutout_ok": one(np.ones(n, bool)),
            "arc_snr": one(np.where(lens, 20, np.nan).astype("f4")),
        },
        coords={
            "band": np.array(["g", "r", "z"], dtype=object),
            "galaxy_id": one(np.arange(n) * 7919 + (9010 << 42)),
            "label": one(lens.astype("i1")),
            "weight": one(np.where(lens, 0.5, 1).astype("f4")),
            "target": one(np.where(lens, 0.95, 0).astype("f4")),
            "split": text(split),
            "role": text(role),
            "pool": text(np.where(lens, "positive", np.where(number % 2, "N1", "N2"))),
        },
        attrs={"mock": 1},
    )


def settings(architecture="small-test", size=24, **training_settings):
    return config.Detector(
        architecture=architecture, size=size, training={"epochs": 2, "batch": 32, **training_settings}
    )


@pytest.fixture(scope="module")
def cutouts():
    return sky(50, 150)


@pytest.fixture(scope="module")
def trained(cutouts):
    return training.train(
        cutouts, settings("resnet18", epochs=4, positives_per_epoch=50, negatives_per_epoch=70), seed=5
    )


def test_a_frozen_network_keeps_the_contract_of_detectors(trained):
    check_detector(trained[0])


def made(architecture="resnet18", size=64, seed=0):
    """An untrained detector whose batch normalisations hold something."""
    torch.manual_seed(seed)
    module = architectures.build(architecture, 3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 2)
    about = {
        "format": 1,
        "architecture": architecture,
        "settings": settings(architecture, size).model_dump(mode="json"),
        "seed": seed,
        "preprocessing": preprocessing.Preprocessing(("g", "r", "z"), size, (0.006, 0.009, 0.024)).record(),
        "calibration": {"slope": 1.5, "intercept": -4.0, "prevalence": 1 / 101},
        "training": {},
        "training_ids": frozen.pack_ids(np.array([3, 1 << 60, 2])),
        "mock": True,
        "scientific": False,
    }
    return frozen.Frozen(module.state_dict(), about)


def test_lenses_with_a_ring_are_learnt(trained, cutouts):
    detector, history = trained
    assert history["val_auc"].iloc[-1] > 0.9
    test = cutouts["split"].values == "test"
    score, lens = detector.score(cutouts["image"].values[test]), cutouts["label"].values[test] == 1
    assert np.median(score[lens]) > np.quantile(score[~lens], 0.9)
    assert detector.mock
    assert not detector.scientific


def test_history_says_every_count_and_cap(trained):
    detector, history = trained
    assert list(history.columns) == ["epoch", "train_loss", "val_loss", "val_auc", "learning_rate"]
    assert history.attrs == detector.record
    assert {history.attrs[k] for k in ("positives_per_epoch", "negatives_per_epoch")} == {50, 70}
    assert history.attrs["positive_weight_share"] == pytest.approx(0.5 * 50 / (0.5 * 50 + 70))
    assert (history["learning_rate"].diff().dropna() < 0).all()


def test_the_learning_rate_falls_as_half_a_cosine_from_its_full_value():
    _, history = training.train(
        sky(20, 40),
        settings(epochs=6, patience=6, learning_rate=0.01, positives_per_epoch=12, negatives_per_epoch=20),
        seed=4,
    )
    expected = 0.01 * 0.5 * (1 + np.cos(np.pi * np.arange(6) / 6))
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-9)


def test_probabilities_are_fitted_on_the_validation_rows_and_on_no_other(cutouts):
    # Validation rows that look otherwise than training ones: a fit on any others would be another one.
    changed = cutouts.copy(deep=True)
    val = np.flatnonzero(cutouts["split"].values == "val")
    changed["image"].values[val] *= np.where(cutouts["label"].values[val] == 1, 0.6, 1.3)[:, None, None, None].astype(
        "f4"
    )
    for prevalence in (1 / 101, 0.2):
        choice = settings("small-test", epochs=2).model_copy(update={"prevalence": prevalence})
        detector, _ = training.train(changed, choice, seed=4)
        logits, label = detector.score(changed["image"].values[val]), cutouts["label"].values[val]
        fitted = detector.about["calibration"]
        assert (fitted["slope"], fitted["intercept"]) == pytest.approx(
            calibration.fit(logits, label, prevalence), rel=1e-5
        )
        assert fitted["prevalence"] == detector.prevalence == prevalence
        assert fitted["quality_on_these_rows"] == pytest.approx(
            calibration.reliability(expit(fitted["slope"] * logits + fitted["intercept"]), label, prevalence)
        )
        train = np.flatnonzero(cutouts["split"].values == "train")
        others = calibration.fit(
            detector.score(changed["image"].values[train]), cutouts["label"].values[train], prevalence
        )
        assert abs(others[0] / fitted["slope"] - 1) > 0.01
        weights = calibration.class_weights(label, prevalence)
        assert np.average(detector.probability(logits), weights=weights) == pytest.approx(prevalence, rel=0.01)


def test_weights_kept_are_those_of_the_lowest_validation_loss(trained, cutouts):
    detector, history = trained
    rows = (cutouts["split"] == "val").values
    logits, label = torch.from_numpy(detector.score(cutouts["image"].values[rows])), cutouts["label"].values[rows] == 1
    share = 0.5 * 50 / 70 / (0.5 * label.sum() / (~label).sum())  # validation takes the class balance of training
    weight = torch.from_numpy(np.where(label, 0.5 * share, 1))
    loss = fitting.weighted_loss(logits.double(), torch.from_numpy(np.where(label, 0.95, 0)), weight)
    assert float(loss) == pytest.approx(history["val_loss"].min(), rel=1e-3)


def test_patience_ends_the_training(cutouts):
    _, history = training.train(cutouts, settings(epochs=30, patience=1, learning_rate=0.3), seed=1)
    assert history.attrs["stopped_early"]
    assert history["val_loss"].idxmin() == len(history) - 2


@pytest.mark.parametrize("architecture", ["small-test", "resnet18"])
def test_same_seed_gives_the_same_bytes(architecture):
    few, wanted = sky(15, 20), settings(architecture, epochs=1, positives_per_epoch=None)
    first, history = training.train(few, wanted, seed=4)
    again, history_again = training.train(few, wanted, seed=4)
    other, _ = training.train(few, wanted, seed=5)
    assert frozen.dump(first) == frozen.dump(again)
    pd.testing.assert_frame_equal(history, history_again)
    assert other.hash != first.hash


def test_order_chunks_and_memory_do_not_change_the_detector():
    few = sky(15, 40)
    first, _ = training.train(few, settings(), seed=4)
    order = np.random.default_rng(0).permutation(few.sizes["galaxy"])
    shuffled, _ = training.train(few.isel(galaxy=order).chunk(galaxy=7), settings(), seed=4)
    reread, _ = training.train(few.chunk(galaxy=16), settings(memory_gb=1e-6), seed=4)
    assert first.weights.keys() == shuffled.weights.keys()
    for name, tensor in first.weights.items():
        assert torch.equal(tensor, shuffled.weights[name])
        assert torch.equal(tensor, reread.weights[name])
    assert first.hash == shuffled.hash


def test_anchors_and_other_splits_never_train(cutouts):
    first, _ = training.train(cutouts, settings(), seed=4)
    role, split = cutouts["role"].values, cutouts["split"].values
    unused = ((role == "anchor") & (split == "train")) | (split == "test")
    assert ((role == "anchor") & (split == "train")).sum() > 3
    changed = cutouts.copy(deep=True)
    changed["image"].values[unused] = 7
    again, _ = training.train(changed, settings(), seed=4)
    assert again.hash == first.hash
    ids = cutouts["galaxy_id"].values
    assert not set(first.training_ids) & set(ids[(role == "anchor") | (split != "train")])
    assert set(ids[(role == "train") & (split == "train")]) <= set(first.training_ids)


def test_unusable_cutouts_and_controls_never_train(cutouts):
    changed = cutouts.copy(deep=True)
    train = np.flatnonzero(cutouts["split"].values == "train")
    changed["cutout_ok"].values[train[:10]] = False
    control = train[cutouts["label"].values[train] == 0][-5:]
    changed["label"].values[control] = -1
    changed["pool"].values[control] = "control"
    detector, _ = training.train(changed, settings(negatives_per_epoch=None, positives_per_epoch=None), seed=4)
    left_out = cutouts["galaxy_id"].values[np.concatenate([train[:10], control])]
    assert not set(left_out) & set(detector.training_ids)


def test_positives_train_only_where_their_arc_is_seen(cutouts):
    changed = cutouts.copy(deep=True)
    meant = np.flatnonzero((cutouts["split"].values == "train") & (cutouts["role"].values == "train"))
    faint, unmeasured = meant[:4], meant[4:6]
    changed["arc_snr"].values[faint], changed["arc_snr"].values[unmeasured] = 2.9, np.nan
    ids = cutouts["galaxy_id"].values
    detector, _ = training.train(changed, settings(positives_per_epoch=None), seed=4)
    assert not set(ids[meant[:6]]) & set(detector.training_ids)
    assert set(ids[meant[6:]]) <= set(detector.training_ids)
    assert detector.record["train_positives_arc_not_seen"] == 6
    every, _ = training.train(changed, settings(positives_per_epoch=None, arc_snr_min=0), seed=4)
    assert set(ids[meant]) <= set(every.training_ids)
    changed["arc_snr"].values[:] = 1
    with pytest.raises(ValueError, match=r"no usable row for train positives.*'train_positives_arc_not_seen': [1-9]"):
        training.train(changed, settings(), seed=4)


def test_scoring_shows_the_network_what_training_showed(cutouts, monkeypatch):
    monkeypatch.setattr(batches, "augment", lambda stamp, size, sigma, rng: batches.centred(stamp[None])[0])
    Small.seen = []
    try:
        detector, _ = training.train(
            cutouts, settings(epochs=1, positives_per_epoch=None, negatives_per_epoch=None), seed=4
        )
        shown = {image.tobytes() for batch in Small.seen for image in batch}
        Small.seen = []
        rows = np.isin(cutouts["galaxy_id"].values, detector.training_ids)
        detector.score(cutouts["image"].values[rows])
        scored = [image.tobytes() for batch in Small.seen for image in batch][: rows.sum()]
    finally:
        Small.seen = None
    assert rows.sum() > 100
    assert set(scored) <= shown


def test_nothing_is_measured_on_the_image_that_is_scored():
    detector = made()
    image = np.random.default_rng(2).normal(0, 0.01, (1, 3, 101, 101)).astype("f4")
    brighter = image.copy()
    brighter[:, :, :18] = 50  # outside the crop
    np.testing.assert_array_equal(detector.score(image), detector.score(brighter))
    twice = detector.preprocessing(2 * image)
    np.testing.assert_allclose(np.sinh(twice), 2 * np.sinh(detector.preprocessing(image)), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("stamp", "size", "start"), [(101, 64, 18), (64, 64, 0), (65, 64, 0), (101, 101, 0)])
def test_crop_starts_where_the_conventions_say(stamp, size, start):
    image = np.zeros((1, 3, stamp, stamp), "f4")
    image[:, :, start, start] = 1
    seen = preprocessing.Preprocessing(("g", "r", "z"), size, (1.0, 1.0, 1.0))(image)
    assert seen.shape == (1, 3, size, size)
    np.testing.assert_allclose(seen[0, :, 0, 0], np.arcsinh(1))
    assert np.count_nonzero(seen) == 3


def test_unobserved_pixels_are_sky_and_an_unobserved_band_has_no_score():
    detector = made()
    image = np.random.default_rng(2).normal(0, 0.01, (4, 3, 101, 101)).astype("f4")
    image[1, 0, 20:30] = 0
    image[2] = image[1]
    image[2, 0, 20:30] = np.nan
    image[3, 1, 18:82, 18:82] = np.nan
    score = detector.score(image)
    assert np.isfinite(score[:3]).all()
    assert score[1] == score[2]
    assert np.isnan(score[3])
    assert np.isnan(detector.probability(score)[3])


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_masked_pixels_are_unobserved_ones(dtype):
    detector = made()
    rng = np.random.default_rng(5)
    image = (rng.normal(0, 0.01, (4, 3, 64, 64)) * (1 if dtype != "i4" else 1e4)).astype(dtype)
    hidden = rng.random(image.shape) < 0.2
    hidden[3, 1] = True
    missing = np.where(hidden, np.nan, image).astype("f4" if dtype == "f4" else "f8")
    filled = np.ma.masked_array(
        np.where(hidden, np.asarray(1e6, dtype), image), hidden
    )  # what lies under a mask is no flux
    found = detector.score(filled)
    np.testing.assert_array_equal(found, detector.score(missing))
    assert np.isnan(found).tolist() == [False, False, False, True], "a band that is masked whole has no score"
    assert not np.array_equal(found[:3], detector.score(image)[:3])
    np.testing.assert_array_equal(detector.preprocessing(filled), detector.preprocessing(missing))
    np.testing.assert_array_equal(detector.preprocessing.observed(filled), detector.preprocessing.observed(missing))
    np.testing.assert_array_equal(preprocessing.robust_sigma(filled), preprocessing.robust_sigma(missing))
    np.testing.assert_array_equal(
        detector.probability(np.ma.masked_array([1.0, 2.0], [True, False])),
        detector.probability(np.array([np.nan, 2.0])),
    )


@pytest.mark.parametrize("size", [32, 64])
def test_score_does_not_depend_on_company_order_batch_or_thread(size):
    detector = made(size=size)
    image = np.random.default_rng(2).normal(0, 0.01, (150, 3, size, size)).astype("f4")
    whole = detector.score(image)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(detector.score(image[order], batch=3), whole[order])
    singles = [detector.score(image[i : i + 1])[0] for i in (0, 77, 149)]
    np.testing.assert_array_equal(singles, whole[[0, 77, 149]])
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(detector.score, (image[:33], image[33:])))
    np.testing.assert_array_equal(np.concatenate(halves), whole)
    assert np.unique(whole).size == 150


def test_folded_network_is_the_network():
    detector = made()
    module = architectures.build("resnet18", 3)
    module.load_state_dict(detector.weights)
    image = np.random.default_rng(2).normal(0, 0.01, (8, 3, 64, 64)).astype("f4")
    with torch.inference_mode():
        slow = module.eval()(torch.from_numpy(detector.preprocessing(image))).numpy()
    np.testing.assert_allclose(detector.score(image), slow, rtol=1e-4, atol=1e-5)


def test_files_bring_back_the_same_detector(trained, cutouts):
    detector, _ = trained
    files = frozen.dump(detector)
    assert files == frozen.dump(frozen.load(files))
    image = cutouts["image"].values[:5]
    for copy in (frozen.load(files), pickle.loads(pickle.dumps(detector))):
        assert copy.hash == detector.hash
        np.testing.assert_array_equal(copy.score(image), detector.score(image))
    np.testing.assert_array_equal(made().training_ids, [2, 3, 1 << 60])


@pytest.mark.parametrize(
    "name", ["conv1.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.num_batches_tracked", "fc.bias"]
)
def test_a_changed_weight_is_refused(name):
    detector = made()
    files = frozen.dump(detector)
    weights = {k: v.clone() for k, v in detector.weights.items()}
    flat = weights[name].view(-1)
    flat[0] = torch.nextafter(flat[0], flat[0] + 1) if flat.is_floating_point() else flat[0] + 1
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    with pytest.raises(ValueError, match=f"expected hash {detector.hash}, found [0-9a-f]{{64}}"):
        frozen.load({**files, "weights.pt": buffer.getvalue()})
    assert frozen.Frozen(weights, detector.about).hash != detector.hash


@pytest.mark.parametrize(
    ("old", "new"), [(b"0.009", b"0.0091"), (b'"slope": 1.5', b'"slope": 1.6'), (b'"mock": true', b'"mock": false')]
)
def test_a_changed_description_is_refused(old, new):
    files = frozen.dump(made())
    assert old in files["detector.json"]
    with pytest.raises(ValueError, match="not the one that was frozen"):
        frozen.load({**files, "detector.json": files["detector.json"].replace(old, new)})


def test_an_artifact_says_on_what_and_where_it_was_trained(cutouts):
    placed = cutouts.assign_coords(ra=("galaxy", np.arange(200.0)), dec=("galaxy", -np.arange(200.0) / 9)).assign_attrs(
        layer="ls-dr10", mock=0
    )
    detector, _ = training.train(placed, settings(), seed=4)
    again = frozen.load(frozen.dump(detector))
    assert again.survey == {"layer": "ls-dr10", "mock": False}
    assert again.origin == "trained on 'ls-dr10'"
    place = dict(
        zip(cutouts["galaxy_id"].values.tolist(), zip(placed["ra"].values.tolist(), placed["dec"].values.tolist()))
    )
    assert again.training_positions.tolist() == [list(place[i]) for i in again.training_ids.tolist()]
    unplaced, _ = training.train(cutouts, settings(), seed=4)
    assert unplaced.training_positions is None
    assert unplaced.origin == "trained on the embedded (mock) sky"


def test_an_older_artifact_without_its_origin_says_so():
    about = {**made().about, "mock": False}
    del about["training_ids"]
    old = frozen.Frozen(made().weights, about)
    assert old.origin == "which does not say on what it was trained"
    assert old.training_ids.size == 0
    assert old.survey is None


class Other(nn.Module):
    """As `Small`, with another way through."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, 5, 4)
        self.fc = nn.Linear(8, 1)

    def forward(self, x):
        return self.fc(torch.relu(self.conv1(x)).amax((2, 3)))[:, 0]


def test_the_hash_of_a_detector_covers_the_code_of_its_architecture(monkeypatch):
    few = sky(15, 20)
    detector, _ = training.train(few, settings(epochs=1), seed=4)
    files = frozen.dump(detector)
    assert detector.about["code"] == architectures.code("small-test")
    monkeypatch.setitem(architectures.ARCHITECTURES, "small-test", lambda channels: Other(channels))
    monkeypatch.setattr(architectures, "_plain", lambda source: architectures._compiled(Other.forward.__code__))
    assert architectures.code("small-test") != detector.about["code"]
    with pytest.raises(ValueError, match="frozen with other code of the architecture 'small-test'"):
        frozen.load(files)
    other, _ = training.train(few, settings(epochs=1), seed=4)
    same = {**detector.about, "code": other.about["code"]}
    assert frozen.content_hash(detector.weights, same) != detector.hash


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("x + 1", "x + 1  # why", True),
        ("x + 1", "x + 2", False),
        ('"""What."""', '"""Why."""', True),
        ("\n\n", "\n\n\n", True),
        ("    return", "        return", False),
    ],
)
def test_code_is_told_by_what_it_does_not_by_its_comments(old, new, same):
    source = 'def f(x):\n    """What."""\n    if x:\n        x = 3\n\n    return x + 1\n'
    assert (architectures._plain(source) == architectures._plain(source.replace(old, new, 1))) is same


def test_weights_that_hold_code_are_refused():
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    buffer = io.BytesIO()
    torch.save({"conv1.weight": Evil()}, buffer)
    with pytest.raises(ValueError, match="cannot be read as plain tensors"):
        frozen.load({**frozen.dump(made()), "weights.pt": buffer.getvalue()})
    with pytest.raises(ValueError, match=r"weights\.pt missing"):
        frozen.load({"detector.json": b"{}"})


def test_parameters_are_named_as_in_torchvision():
    blocks = [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]
    norms = [f"{b}.bn{k}" for b in blocks for k in (1, 2)] + [f"layer{i}.0.downsample.1" for i in (2, 3, 4)] + ["bn1"]
    convolutions = [
        "conv1",
        *(f"{b}.conv{k}" for b in blocks for k in (1, 2)),
        *(f"layer{i}.0.downsample.0" for i in (2, 3, 4)),
    ]
    parameters = (
        [f"{c}.weight" for c in convolutions]
        + [f"{n}.{p}" for n in norms for p in ("weight", "bias")]
        + ["fc.weight", "fc.bias"]
    )
    buffers = [f"{n}.{b}" for n in norms for b in ("running_mean", "running_var", "num_batches_tracked")]
    module = network.ResNet18(3)
    assert len(parameters) == 62
    assert sorted(name for name, _ in module.named_parameters()) == sorted(parameters)
    assert sorted(module.state_dict()) == sorted(parameters + buffers)
    # 11,689,512 parameters with torchvision's 1000 classes (its documentation), of which the head has 513,000.
    assert sum(p.numel() for n, p in module.named_parameters() if not n.startswith("fc")) == 11_689_512 - 513_000


def test_published_weights_are_a_start_and_misfits_are_named():
    published = {**network.ResNet18(3).state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    module = network.ResNet18(3)
    assert network.start_from(module, published) == ["fc.weight", "fc.bias"]
    assert torch.equal(module.layer3[0].conv1.weight, published["layer3.0.conv1.weight"])
    with pytest.raises(ValueError, match=r"conv1.weight; expected the names and shapes"):
        network.start_from(network.ResNet18(5), published)
    with pytest.raises(ValueError, match="'resnet19'; known are"):
        architectures.build("resnet19", 3)


def test_loss_honours_weights_and_targets():
    z, t, w = np.array([2.0, -1.0, 0.3]), np.array([1.0, 0.0, 0.95]), np.array([1.0, 0.5, 0.3])
    each = -(t * np.log(expit(z)) + (1 - t) * np.log(1 - expit(z)))
    loss = fitting.weighted_loss(*(torch.from_numpy(a) for a in (z, t, w)))
    assert float(loss) == pytest.approx((w * each).sum() / w.sum())


def test_caps_are_drawn_afresh_and_repeats_are_shared():
    sample = sky(40, 300).drop_vars("image").to_dataframe().reset_index()
    sample = sample.drop_duplicates("galaxy_id").assign(**{n: sample[n].astype(str) for n in ("split", "role", "pool")})
    wanted = config.Training(positives_per_epoch=50, negatives_per_epoch=60, val_negatives=10)
    selection = batches.select(sample, wanted, 1)
    plans = [batches.draw_epoch(sample, selection, epoch, wanted, 1) for epoch in (0, 1)]
    for plan in plans:
        positive = plan["row"].isin(selection.positives)
        counts = plan[positive]["row"].value_counts()
        assert (positive.sum(), (~positive).sum()) == (50, 60)
        assert len(counts) == selection.positives.size
        assert counts.max() - counts.min() <= 1
        assert not plan.duplicated().any()
        assert not plan[~positive]["row"].duplicated().any()
    assert set(plans[0]["row"]) != set(plans[1]["row"])
    assert (sample["label"].to_numpy()[selection.val] == 0).sum() == 10
    assert [len(p) for p in batches.parts(plans[0], 64)] == [55, 55]


def test_augmentation_only_turns_flips_and_shifts(monkeypatch):
    monkeypatch.setattr(batches, "BLURRED", 0)
    stamp = np.random.default_rng(0).normal(size=(3, 12, 12)).astype("f4")
    allowed = set()
    for dy in range(5):
        for dx in range(5):
            crop = stamp[:, dy : dy + 8, dx : dx + 8]
            for turn in range(4):
                turned = np.rot90(crop, turn, (1, 2))
                allowed |= {np.ascontiguousarray(turned).tobytes(), np.ascontiguousarray(turned[:, :, ::-1]).tobytes()}
    found = {batches.augment(stamp, 8, np.zeros(3), draws.generator(0, "test", i)).tobytes() for i in range(3000)}
    assert found == allowed
    assert len(allowed) == 200


def test_blur_and_noise_are_mild_and_keep_unobserved_pixels():
    y, x = np.mgrid[:36, :36] - 17.5
    stamp = np.repeat(np.exp(-(x**2 + y**2) / 18)[None], 3, 0).astype("f4")
    stamp[0, 30, 30] = np.nan
    for i in range(50):
        image = batches.augment(stamp, 32, np.full(3, 0.01), draws.generator(0, "test", i))
        assert image.dtype == np.float32
        assert np.isnan(image).sum() == 1
        assert image[1].sum() == pytest.approx(stamp[1].sum(), rel=0.05)
        assert 0.9 < image[1].max() < 1.02


def test_translation_beyond_the_stamp_shows_nothing():
    image = xr.DataArray(np.ones((3, 2, 24, 24), "f4"), dims=("galaxy", "band", "y", "x"))
    stamps = batches.Pixels(image, np.arange(3), 24, 1)(np.array([2, 0, 2]))
    assert stamps.shape == (3, 2, 28, 28)
    assert np.isnan(stamps[:, :, :2]).all()
    np.testing.assert_array_equal(batches.centred(stamps), 1)


def test_robust_sigma_is_that_of_the_noise():
    rng = np.random.default_rng(1)
    stamps = rng.standard_normal((200, 3, 30, 30)) * SIGMA[:, None, None]
    stamps[:, :, 14:17, 14:17] += 1
    stamps[:50, 0] = np.nan
    np.testing.assert_allclose(preprocessing.robust_sigma(stamps), SIGMA, rtol=0.03)


def test_calibration_finds_the_truth_at_the_stated_prevalence():
    rng = np.random.default_rng(1)
    label = rng.random(200_000) < 0.5
    score = rng.normal(np.where(label, 2.0, 0.0), 1)  # log odds of equal classes: 2 s - 2
    slope, intercept = calibration.fit(score, label)
    assert slope == pytest.approx(2, rel=0.05)
    assert intercept == pytest.approx(-2 - np.log(100), abs=0.15)
    quality = calibration.reliability(expit(slope * score + intercept), label)
    assert quality["ece"] < 0.001
    assert quality["top_predicted"] == pytest.approx(quality["top_observed"], rel=0.1)


def test_calibration_of_separable_classes_is_finite_and_keeps_the_prevalence():
    score, label = np.append(np.linspace(-9, -5, 400), [3.0, 4.0]), np.arange(402) >= 400
    slope, intercept = calibration.fit(score, label)
    assert 0 < slope < 10
    mean = np.average(expit(slope * score + intercept), weights=calibration.class_weights(label))
    assert mean == pytest.approx(1 / 101, rel=1e-3)
    with pytest.raises(ValueError, match="needs both classes; found 0 positives in 402"):
        calibration.fit(score, np.zeros(402))


def test_a_constant_probability_at_the_prevalence_has_no_calibration_error_in_any_order():
    label = np.repeat([0, 1], [1000, 10])
    for order in (np.arange(1010), np.arange(1010)[::-1], np.random.default_rng(1).permutation(1010)):
        found = calibration.reliability(np.full(1010, 1 / 101), label[order])
        assert found["ece"] == pytest.approx(0, abs=1e-12)
        assert found["top_observed"] == pytest.approx(1 / 101)


@pytest.mark.parametrize("decimals", [1, 2, 6])
@pytest.mark.parametrize("bins", [3, 10, 1000])
def test_calibration_measures_do_not_depend_on_the_order_of_rows_however_many_tie(decimals, bins):
    rng = np.random.default_rng(decimals)
    probability, label = np.round(rng.random(97), decimals), rng.random(97) < 0.3
    first = calibration.reliability(probability, label, 0.3, bins)
    for _ in range(5):
        order = rng.permutation(97)
        assert calibration.reliability(probability[order], label[order], 0.3, bins) == pytest.approx(first, abs=1e-12)


def test_bins_of_calibration_hold_as_many_rows_where_none_tie():
    values = np.random.default_rng(1).permutation(np.linspace(0, 1, 53))
    order = np.argsort(values)
    for bins in (1, 4, 10, 53, 99):
        expected = np.array_split(order, min(bins, 53))
        own = equal_mass_bins(values, bins)
        assert [np.flatnonzero(own == i).tolist() for i in range(own.max() + 1)] == [sorted(b) for b in expected]


def test_overconfidence_shows_in_the_calibration_error():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.1, 0.9, 20_000)
    label = rng.random(truth.size) < truth
    logits = np.log(truth / (1 - truth))
    assert calibration.reliability(expit(logits), label, 0.5)["ece"] < 0.02
    assert calibration.reliability(expit(4 * logits), label, 0.5)["ece"] > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.drop_vars("role"), "'role' is missing"),
        (lambda c: c.assign(image=c["image"].assign_attrs(units="mag")), "'image' is in 'mag', not 'nanomaggy'"),
        (lambda c: c.isel(band=[0, 2]), r"detector.bands names \['r'\]; the cutouts hold \['g', 'z'\]"),
        (lambda c: c.isel(y=slice(20), x=slice(20)), "stamps are 20 px, smaller than detector.size 24"),
        (lambda c: c.isel(galaxy=c["split"].values != "val"), "no usable row for val positives"),
        (
            lambda c: c.assign(cutout_ok=c["cutout_ok"].where(c["label"] == 1, False)),
            "no usable row for train negatives",
        ),
        (lambda c: c.assign_coords(weight=c["weight"].where(c["label"] == 1, 0)), "weight > 0"),
        (lambda c: xr.concat([c, c.isel(galaxy=[0])], "galaxy"), "1 galaxy_id occur more than once"),
        (lambda c: c.assign(image=c["image"].where(c["band"] != "r")), "robust sigma of .* is .*nan"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(cutouts, change, message):
    with pytest.raises(ValueError, match=message):
        training.train(change(cutouts), settings(), seed=1)


def test_mixed_precision_trains_and_scores_stay_single():
    few = sky(15, 30)
    mixed, history = training.train(few, settings(mixed_precision="on"), seed=4)
    single, _ = training.train(few, settings(mixed_precision="off"), seed=4)
    assert np.isfinite(history["val_loss"]).all()
    assert mixed.hash != single.hash
    np.testing.assert_allclose(mixed.score(few["image"].values), single.score(few["image"].values), atol=0.05)


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_taken_where_the_processor_has_it_whatever_the_clock_says(monkeypatch, has):
    few, said = sky(15, 30), {}
    monkeypatch.setattr(precision, "known", lambda device: has)
    first, _ = training.train(few, settings(), seed=4, progress=lambda epoch, _, values: said.update(values))
    assert ("speed_in_bfloat16" in said) is has
    monkeypatch.setattr(precision, "gain", lambda *_: 0.01)
    again, _ = training.train(few, settings(), seed=4)
    assert again.hash == first.hash
    assert first.about["training"]["precision"] == ("bfloat16" if has else "single")
    fixed, _ = training.train(few, settings(mixed_precision="on" if has else "off"), seed=4)
    assert all(torch.equal(tensor, fixed.weights[name]) for name, tensor in first.weights.items())


def test_a_training_goes_on_in_the_precision_it_began_in(cutouts, monkeypatch):
    chosen, kept = settings(epochs=3), Kept(stops_after=1)
    monkeypatch.setattr(precision, "known", lambda device: True)
    whole, _ = training.train(cutouts, chosen, seed=4)
    with pytest.raises(KeyboardInterrupt):
        training.train(cutouts, chosen, seed=4, checkpoint=kept)
    monkeypatch.setattr(precision, "known", lambda device: False)
    kept.left = None
    again, _ = training.train(cutouts, chosen, seed=4, checkpoint=kept)
    assert again.hash == whole.hash


def test_the_measured_gain_changes_neither_the_network_nor_the_draws():
    module = architectures.build("resnet18", 3)
    before, state = {k: v.clone() for k, v in module.state_dict().items()}, torch.random.get_rng_state()
    assert precision.gain(module, 3, 32, torch.device("cpu")) > 0
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_reading_says_how_far_it_is():
    said = []
    training.train(
        sky(15, 40),
        settings(memory_gb=1e-6, epochs=1),
        seed=4,
        progress=lambda epoch, _, values: said.append(values.get("images_read")) if epoch == 0 else None,
    )
    assert said[0] is not None


def test_importing_the_detector_leaves_torch_alone():
    code = (
        "import sys, lenscal.detector, lenscal.scores; assert 'torch' not in sys.modules; lenscal.detector.train; "
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Kept:
    """A checkpoint in memory that stops the training after some epochs."""

    def __init__(self, stops_after=None):
        self.content, self.left = None, stops_after

    def read(self):
        return self.content

    def write(self, content):
        self.content = content
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 3])
def test_a_stopped_training_goes_on_with_the_bytes_of_one_that_was_not(cutouts, after):
    chosen = settings(epochs=4, patience=4)
    whole, history = training.train(cutouts, chosen, seed=4)
    kept = Kept(stops_after=after)
    with pytest.raises(KeyboardInterrupt):
        training.train(cutouts, chosen, seed=4, checkpoint=kept)
    kept.left, epochs = None, []
    again, history_again = training.train(
        cutouts, chosen, seed=4, progress=lambda epoch, *_: epochs.append(epoch), checkpoint=kept
    )
    assert sorted(set(epochs)) == [0, *range(after + 1, 5)]
    assert again.hash == whole.hash
    pd.testing.assert_frame_equal(history_again, history)


@pytest.mark.parametrize("spoil", ["seed", "settings", "cut short"])
def test_a_checkpoint_of_another_training_is_not_gone_on_with(cutouts, spoil):
    kept = Kept(stops_after=2)
    with pytest.raises(KeyboardInterrupt):
        training.train(cutouts, settings(epochs=3), seed=4, checkpoint=kept)
    kept.left = None
    if spoil == "cut short":
        kept.content = kept.content[: len(kept.content) // 2]
    wanted, seed = settings(epochs=4 if spoil == "settings" else 3), 5 if spoil == "seed" else 4
    again, _ = training.train(cutouts, wanted, seed=seed, checkpoint=kept)
    assert again.hash == training.train(cutouts, wanted, seed=seed)[0].hash


def test_balance_of_classes_and_tiers_is_said_before_the_first_epoch(cutouts):
    said = []
    training.train(cutouts, settings(), seed=4, progress=lambda *words: said.append(words))
    epoch, epochs, balance = next(words for words in said if "lenses" in words[2])
    assert (epoch, epochs) == (0, 2)
    assert balance["lenses_of_weight_0.5"] == balance["lenses"] > 0
    assert balance["negatives"] > balance["lenses"]
