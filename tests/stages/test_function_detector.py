"""A detector that is a function is handed what it can use, and is held to what a detector is before its first score."""

import numpy as np
import pytest
from contracts import check_detector, stamps_for

from lenscal.detector import FunctionDetector
from lenscal.errors import InputError


def blue_light(images):
    """Light in the first band over that in the last, about the centre."""
    flux = images[:, :, 8:-8, 8:-8].sum((2, 3))
    return np.arcsinh(flux[:, 0]) - 0.3 * np.arcsinh(flux[:, -1])


def peak(images):
    """Another one, that wants one band."""
    return images[:, 0].max((1, 2))


class Template:
    """A callable that holds numbers."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, images):
        return (images * self.weight).sum((1, 2, 3))


@pytest.mark.parametrize(
    "made",
    [
        lambda: FunctionDetector(blue_light, size=32),
        lambda: FunctionDetector(peak, ["i"], 25, fill=-1.0),
        lambda: FunctionDetector(Template(0.5), ["r", "z"], 24, about={"weight": 0.5}),
    ],
    ids=["three bands", "one band, odd side", "an object"],
)
def test_functions_keep_the_contract(made):
    check_detector(made())


def test_the_function_sees_native_single_precision_without_a_hole():
    seen = []

    def keep(images):
        seen.append(images)
        return images.sum((1, 2, 3))

    detector = FunctionDetector(keep, size=20, fill=-2.5)
    seen.clear()
    images = stamps_for(detector).astype(">f8")
    images[0, 1, 10, 10] = np.inf
    detector.score(np.ma.masked_array(images, images > 15))
    (shown,) = seen
    assert shown.dtype == np.dtype("=f4")
    assert shown.flags.c_contiguous
    assert np.isfinite(shown).all()
    assert (shown == -2.5).sum() > 1


def test_another_function_setting_or_option_is_another_detector():
    hashes = [
        FunctionDetector(blue_light).hash,
        FunctionDetector(blue_light, size=32).hash,
        FunctionDetector(blue_light, ["r", "g", "z"]).hash,
        FunctionDetector(blue_light, fill=1.0).hash,
        FunctionDetector(blue_light, about={"weights": "a.bin"}).hash,
    ]
    assert len(set(hashes)) == len(hashes)
    assert FunctionDetector(blue_light).hash == hashes[0]


def by_batch(images):
    return (images - images.mean(0)).sum((1, 2, 3)) + images.std()


def by_row(images):
    return images.sum((1, 2, 3)) + 100 * np.arange(len(images))


def at_random(images):
    return images.sum((1, 2, 3)) + np.random.default_rng().normal(size=len(images))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (by_batch, "a stamp that is alone has another score, by .*depends on its own pixels"),
        (by_row, "a stamp that is .* has another score"),
        (at_random, "a stamp that is .* has another score"),
        (lambda images: np.ones(len(images)), r"have one score \(1\); expected scores that vary"),
        (lambda images: images.sum((1, 2)), r"gave shape \(5, 32\) for 5 images; expected \(5,\)"),
        (
            lambda images: np.log(images.min((1, 2, 3))),
            "5 of 5 scores are not finite, though every pixel that it was shown is",
        ),
    ],
    ids=["batch", "row", "random", "constant", "shape", "not finite"],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_detector_is_refused_by_what_it_does(function, words):
    with pytest.raises(InputError, match=words):
        FunctionDetector(function, size=32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((3.0,), "3.0 is no function"),
        ((peak, []), "expected at least one band"),
        ((peak, ["r"], 0), "a positive size"),
        ((peak, ["r"], 9, np.nan), "a finite fill"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        FunctionDetector(*arguments)


def test_images_of_other_bands_or_too_small_are_refused():
    detector = FunctionDetector(peak, ["r"], 32)
    with pytest.raises(InputError, match=r"images have shape \(2, 3, 40, 40\); expected \(n, 1, y, x\)"):
        detector.score(np.zeros((2, 3, 40, 40)))
    with pytest.raises(InputError, match=r"stamps are 20 px, smaller than detector.size 32"):
        detector.score(np.zeros((2, 1, 20, 20)))
