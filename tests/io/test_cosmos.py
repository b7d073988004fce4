"""A real source is the galaxy of its stamp: all its light, none of its sky, on the scale of HST."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from lenscal.io.cosmos import SourceError, galaxy_patch, read_cosmos
from lenscal.kernels.light import half_light_radius


def gaussian(size, sigma, dx=0.0, dy=0.0):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    sigma = 0.003
    row = {
        "RA": 150.0,
        "DEC": 2.0,
        "MAG": 23.4,
        "PIXEL_SCALE": 0.03,
        "NOISE_MEAN": 0.01,
        "NOISE_VARIANCE": sigma**2,
        "flux_radius": 6.0,
        "HSC_g": 24.5,
        "HSC_r": 24.0,
        "HSC_z": 23.2,
        "ZPHOT": 1.1,
    }
    hdus = [fits.PrimaryHDU()]
    for ident, (size, dx, neighbour) in {4: (80, 3.0, 0.0), 9: (61, 0.0, 6.0)}.items():
        image = 10 * gaussian(size, 5.0, dx) + 0.01 + rng.normal(0, sigma, (size, size))
        if neighbour:
            image += neighbour * gaussian(size, 2.0, 26, 26)
        hdus += [
            fits.ImageHDU(image.astype("f4"), name=f"GAL_{ident}"),
            fits.ImageHDU(np.ones((5, 5), "f4"), name=f"PSF_{ident}"),
        ]
    fits.HDUList(hdus).writeto(tmp_path / "cosmos_stamps.fits.gz")
    pd.DataFrame([{"IDENT": i, **row} for i in (4, 9)]).to_csv(tmp_path / "cosmos_catalog.csv", index=False)
    return tmp_path


def test_sources_are_normalised_centred_and_coloured(folder):
    sources = read_cosmos(folder)
    assert [s["name"] for s in sources] == ["cosmos-4", "cosmos-9"]
    for source in sources:
        image = source["image"]
        n = len(image)
        assert image.dtype == np.float32
        assert image.shape == (n, n)
        assert n % 2 == 1
        assert image.sum() == pytest.approx(1, abs=1e-5)
        y, x = np.indices(image.shape) - n // 2
        assert abs((x * image).sum()) <= 0.5
        assert abs((y * image).sum()) <= 0.5
        assert source["colours"] == pytest.approx({"gr": 0.5, "rz": 0.8})
        assert source["pixel_scale"] == 0.03


def test_half_light_radius_is_that_of_the_galaxy_in_arcsec(folder):
    # Of a Gaussian: 1.1774 sigma.
    assert read_cosmos(folder)[0]["half_light_radius"] == pytest.approx(1.1774 * 5 * 0.03, rel=0.04)
    assert half_light_radius(gaussian(101, 6.0), 1.0, finer=5)[0] == pytest.approx(1.1774 * 6, rel=0.01)


def test_a_neighbour_and_the_sky_are_cut_off(folder):
    image = read_cosmos(folder)[1]["image"]
    patch = galaxy_patch(10 * gaussian(61, 5.0) + 6 * gaussian(61, 2.0, 26, 26), 0.003)
    assert patch[30, 30]
    assert not patch[56, 56]
    assert len(image) < 61
    assert (image == 0).any()


def test_the_file_itself_may_be_named(folder):
    assert len(read_cosmos(folder / "cosmos_stamps.fits.gz")) == 2


def test_what_is_missing_is_named(folder):
    table = pd.read_csv(folder / "cosmos_catalog.csv")
    table.drop(columns="HSC_z").to_csv(folder / "cosmos_catalog.csv", index=False)
    with pytest.raises(SourceError, match="no column HSC_z"):
        read_cosmos(folder)
    pd.concat([table, table.assign(IDENT=77)]).to_csv(folder / "cosmos_catalog.csv", index=False)
    with pytest.raises(SourceError, match="no stamp of 77, 77"):
        read_cosmos(folder)
    (folder / "cosmos_catalog.csv").unlink()
    with pytest.raises(SourceError, match=r"cosmos_catalog\.csv' is missing"):
        read_cosmos(folder)


def test_an_empty_or_truncated_stamp_is_refused(folder):
    data = (folder / "cosmos_stamps.fits.gz").read_bytes()
    (folder / "cosmos_stamps.fits.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"no stamp of 4, 9|cannot be read"):
        read_cosmos(folder)
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(np.zeros((20, 20), "f4"), name=f"GAL_{i}") for i in (4, 9))]
    fits.HDUList(hdus).writeto(folder / "cosmos_stamps.fits.gz", overwrite=True)
    with pytest.raises(SourceError, match="cosmos-4' has no galaxy at its centre"):
        read_cosmos(folder)


def test_real_sources_have_the_flux_and_size_of_their_catalogue(real):
    sources = read_cosmos(real / "sources" / "cosmos_btk")
    table = pd.read_csv(real / "sources" / "cosmos_btk" / "cosmos_catalog.csv")
    assert len(sources) == len(table) == 75
    ratio = np.array([s["half_light_radius"] for s in sources]) / (table["flux_radius"] * 0.03)
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    with fits.open(real / "sources" / "cosmos_btk" / "cosmos_stamps.fits.gz") as hdus:
        flux = []
        for row in table.itertuples():
            image = hdus[f"GAL_{row.IDENT}"].data - row.NOISE_MEAN
            flux.append(image[galaxy_patch(image, row.NOISE_VARIANCE**0.5)].sum())
    # ZP 25.937 AB: the flux of the patch is that of the magnitude.
    assert np.median(flux / 10 ** (-0.4 * (table["MAG"] - 25.937))) == pytest.approx(1, abs=0.1)
