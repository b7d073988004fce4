"""A PSF has its star on the middle pixel and nothing beneath it: what is otherwise is found, what is real is not."""

import numpy as np
import pytest

from lenscal.io.psfex import read_psfex
from lenscal.kernels import psfs


def moffat(side=31, fwhm=5.0, dx=0.0, dy=0.0, beta=2.5, wide=None):
    """A star on the middle pixel of a side, or of the sides (y, x), moved by dx and dy."""
    n_y, n_x = (side, side) if wide is None else (side, wide)
    core = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    y, x = np.ogrid[:n_y, :n_x]
    image = (1 + ((x - n_x // 2 - dx) ** 2 + (y - n_y // 2 - dy) ** 2) / core**2) ** -beta
    return image / image.sum()


@pytest.mark.parametrize("fwhm", [1.5, 3.0, 5.0, 9.0])
@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (0.2, -0.1), (0.5, 0), (0.5, 0.5), (-1, 0), (5, 0), (4, -7)])
def test_a_star_is_found_where_it_is_and_refused_where_it_is_beside_the_middle(fwhm, dx, dy):
    image = moffat(41, fwhm, dx, dy)
    np.testing.assert_allclose(psfs.off_middle(image), [dy, dx], atol=0.1 if fwhm < 2 else 0.06)
    off = np.hypot(dx, dy) > psfs.OFF_MAX
    assert bool(psfs.is_sound(image)) != off
    y, x = 20 + psfs.off_middle(image)
    said = f"the PSF has its star on x {x:.2f}, y {y:.2f}, and its middle pixel is x 20, y 20 (counted from 0)"
    assert psfs.problem(image).startswith(said) == off


@pytest.mark.parametrize("beta", [1.2, 1.5, 2.5, 4.0])
@pytest.mark.parametrize("fwhm", [2.0, 5.0, 9.0, 15.0])
@pytest.mark.parametrize(("side", "wide"), [(1, 1), (5, 5), (11, 11), (25, 25), (31, 63), (63, 63)])
def test_wings_however_wide_are_no_level(side, wide, fwhm, beta):
    assert psfs.level(moffat(side, fwhm, beta=beta, wide=wide)) <= psfs.LEVEL_MAX
    assert psfs.problem(moffat(side, fwhm, beta=beta, wide=wide)) == ""


@pytest.mark.parametrize("side", [31, 63])
def test_a_level_beneath_the_star_is_refused_and_never_called_more_than_it_is(side):
    image = moffat(side)
    for share in (0.1, 0.3, 0.8):
        raised = (1 - share) * image + share / image.size
        assert psfs.LEVEL_MAX < psfs.level(raised) <= share
        assert "on a level that holds" in psfs.problem(raised)
        assert "subtract the sky" in psfs.problem(raised)


def test_asymmetric_stars_and_one_pixel_are_sound():
    lobed = 0.8 * moffat(31, 4.0) + 0.2 * moffat(31, 4.0, dx=1.2, dy=-0.8)
    elongated = moffat(31, 4.0)
    for angle in np.linspace(-1, 1, 9):
        elongated = elongated + moffat(31, 4.0, dx=2 * angle, dy=angle)
    for image in (lobed, elongated, np.ones((1, 1)), np.eye(7)[3][:, None] * np.eye(7)[3]):
        assert psfs.problem(image / image.sum()) == ""


def test_many_images_are_judged_as_each_alone():
    images = np.array([[moffat(), moffat(dx=3)], [moffat(dy=-1), moffat() + 1e-3], [moffat(beta=4), moffat() * np.nan]])
    assert psfs.is_sound(images).tolist() == [[True, False], [False, False], [True, True]]
    assert [[bool(psfs.is_sound(one)) for one in row] for row in images] == psfs.is_sound(images).tolist()
    assert psfs.is_sound(np.repeat(images[:1], 700, 0)).tolist() == [[True, False]] * 700


def test_real_models_are_sound(real):
    paths = sorted((real / "psf" / "psfex").glob("*/*.fits.gz"))
    models = {}
    for path in paths:
        try:
            models[path.name] = read_psfex(path).image()
        except ValueError:  # the models of a mosaic, by chip
            continue
    assert len(models) >= 20
    assert {name: psfs.problem(image) for name, image in models.items()} == dict.fromkeys(models, "")
