"""A pixel's split depends on its number and the seed, and the bounds are in the order train, val, test."""

import numpy as np
import pytest

from lenscal.kernels import draws, splitting

FRACTIONS = (0.7, 0.15, 0.15)


def slow_codes(pixels, seed, fractions):
    train, val, _ = fractions
    out = []
    for pixel in pixels:
        u = draws.uniform(seed, "split", np.array([pixel]))[0]
        out.append(-1 if pixel < 0 else 0 if u < train else 1 if u < train + val else 2)
    return out


def test_codes_are_those_of_the_slow_twin():
    pixels = np.arange(-3, 2000)
    codes = splitting.split_codes(pixels, 3, FRACTIONS)
    assert codes.dtype == np.int8
    assert codes.tolist() == slow_codes(pixels, 3, FRACTIONS)


@pytest.mark.parametrize("fractions", [FRACTIONS, (0.15, 0.7, 0.15), (0.15, 0.15, 0.7), (0.5, 0.0, 0.5)])
def test_shares_are_the_fractions_in_their_order(fractions):
    pixels = np.arange(12 * 128**2)
    shares = np.bincount(splitting.split_codes(pixels, 11, fractions), minlength=3) / pixels.size
    sigma = np.sqrt(np.array(fractions) * (1 - np.array(fractions)) / pixels.size)
    assert (np.abs(shares - fractions) <= 4 * sigma + 1e-12).all()


def test_codes_follow_neither_order_nor_company():
    pixels = np.arange(5000)
    order = np.random.default_rng(0).permutation(5000)
    whole = splitting.split_codes(pixels, 5, FRACTIONS)
    np.testing.assert_array_equal(splitting.split_codes(pixels[order], 5, FRACTIONS), whole[order])
    np.testing.assert_array_equal(splitting.split_codes(pixels[::7].reshape(-1, 5), 5, FRACTIONS).ravel(), whole[::7])


def test_another_seed_is_another_split():
    pixels = np.arange(5000)
    one, two = (splitting.split_codes(pixels, seed, FRACTIONS) for seed in (1, 2))
    agree = np.mean(one == two)
    assert agree == pytest.approx(0.7**2 + 2 * 0.15**2, abs=0.03)  # what chance alone gives


def test_neighbouring_pixels_are_drawn_apart():
    codes = splitting.split_codes(np.arange(100_000), 4, FRACTIONS)
    assert np.mean((codes[1:] == 0) & (codes[:-1] == 0)) == pytest.approx(0.49, abs=0.01)
