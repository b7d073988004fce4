"""A PSFEx model is evaluated as PSFEx means it, and real DECam models are as wide as the survey says."""

import numpy as np
import pytest
from astropy.io import fits

from lenscal.io.psfex import PsfexError, PsfexModel, read_psfex
from lenscal.kernels import widths


def write(path, columns=True, sampling=1.0, degree=2, components=6, size=15, rows=1):
    rng = np.random.default_rng(0)
    mask = rng.normal(size=(rows, components, size, size)).astype("f4")
    mask[:, 0] += 5
    keys = {
        "polzero1": 1000.0,
        "polzero2": 2000.0,
        "polscal1": 1900.0,
        "polscal2": 3900.0,
        "poldeg1": degree,
        "psf_samp": sampling,
    }
    fields = [fits.Column("psf_mask", f"{components * size * size}E", dim=f"({size},{size},{components})", array=mask)]
    if columns:
        fields += [fits.Column(key, "D", array=np.full(rows, value)) for key, value in keys.items()]
        fields += [fits.Column("ccdname", "3A", array=np.array([f"N{i + 1}" for i in range(rows)]))]
    table = fits.BinTableHDU.from_columns(fields)
    if not columns:
        for key, value in keys.items():
            table.header[key.upper()] = value
    table.writeto(path)
    return mask


@pytest.mark.parametrize("columns", [True, False])
def test_both_layouts_give_the_same_model(tmp_path, columns):
    mask = write(tmp_path / "m.fits", columns)
    model = read_psfex(tmp_path / "m.fits")
    u, v = (300 - 1000) / 1900, (3500 - 2000) / 3900
    slow = sum(t * m for t, m in zip([1, u, u * u, v, u * v, v * v], mask[0].astype(float)))
    np.testing.assert_allclose(model.image(300, 3500), slow / slow.sum(), rtol=1e-12)
    assert model.includes_pixel


def test_terms_of_any_degree_are_in_the_order_of_legacypipe():
    degree = 3
    terms = np.zeros((10, 3, 3))
    terms[:, 1, 1] = np.arange(1, 11)
    terms[0] += 1  # so that the sum is not zero
    model = PsfexModel(terms, (0, 0), (1, 1), degree)
    x, y = 0.3, -0.7
    amplitude = np.zeros(10)
    for d in range(degree + 1):  # legacypipe, py/tractor/psfex.py: polynomials
        for j in range(d + 1):
            k = d - j
            amplitude[j + (degree + 1) * k - (k * (k - 1)) // 2] = x**j * y**k
    expected = np.tensordot(amplitude, terms, 1)
    np.testing.assert_allclose(model.image(x, y), expected / expected.sum(), rtol=1e-12)


def test_without_a_position_the_constant_term_is_given(tmp_path):
    mask = write(tmp_path / "m.fits")
    np.testing.assert_allclose(
        read_psfex(tmp_path / "m.fits").image(), mask[0, 0].astype(float) / mask[0, 0].astype(float).sum()
    )


def test_a_merged_file_needs_the_name_of_the_ccd(tmp_path):
    mask = write(tmp_path / "m.fits", rows=2)
    with pytest.raises(PsfexError, match=r"several CCDs \(N1, N2\); say which"):
        read_psfex(tmp_path / "m.fits")
    with pytest.raises(PsfexError, match="no CCD 'S7'"):
        read_psfex(tmp_path / "m.fits", "S7")
    np.testing.assert_allclose(read_psfex(tmp_path / "m.fits", "N2").basis, mask[1])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"sampling": 0.5}, "sampled at 0.5 px"),
        ({"components": 5}, "degree 2 needs 6 images"),
        ({"size": 14}, "not square and odd"),
    ],
)
def test_a_model_that_cannot_be_evaluated_is_refused(tmp_path, what, message):
    write(tmp_path / "m.fits", **what)
    with pytest.raises(PsfexError, match=message):
        read_psfex(tmp_path / "m.fits")


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "image.fits")
    with pytest.raises(PsfexError, match="no PSFEx model"):
        read_psfex(tmp_path / "image.fits")
    write(tmp_path / "m.fits")
    (tmp_path / "cut.fits").write_bytes((tmp_path / "m.fits").read_bytes()[:9000])
    with pytest.raises(PsfexError, match=r"cut\.fits"):
        read_psfex(tmp_path / "cut.fits")
    with pytest.raises(PsfexError, match="cannot be read"):
        read_psfex(tmp_path / "none.fits")


def real_models(real):
    """Each DECam model with the row of survey-ccds of its exposure and CCD."""
    for folder in ("decals_grz", "testcase3", "testcase4", "testcase5", "testcase6", "testcase7", "testcase9"):
        ccds = fits.getdata(real / f"ccd_stamps/{folder}/survey-ccds.fits")
        for path in sorted((real / f"psf/psfex/{folder}").glob("*.fits.gz")):
            for row in ccds:
                exposure = row["image_filename"].split("/")[-1].split("_ooi")[0]
                if exposure in path.name or f"{row['expnum']:08d}" in path.name:
                    yield folder, path, row


def test_real_models_have_the_noise_equivalent_area_of_the_survey_table(real):
    """survey-ccds gives psfnorm = sqrt(sum psf^2) as the survey found it."""
    ratios = {}
    for folder, path, row in real_models(real):
        area = widths.noise_equivalent_area(read_psfex(path).image())
        ratios[path] = (1 / np.sqrt(area)) / row["psfnorm"], folder
    assert len(ratios) == 23
    # The three of decals_grz are of an older version of the table.
    values = np.array([ratio for ratio, folder in ratios.values() if folder != "decals_grz"])
    np.testing.assert_allclose(values, 1, atol=0.03)
    assert np.median(np.abs(values - 1)) < 0.006


def test_real_models_lie_about_the_published_beta_and_core_to_psfsize_ratio(real):
    """survey-facts 8: beta 2.68, FWHM / PSFSIZE 0.731; a fit to the core gives more than
    one to core and wings alike.
    """
    medians = {}
    for model_error in (0.0, 0.03):
        fits_, ratios = [], []
        for _, path, _ in real_models(real):
            image = read_psfex(path).image()
            fit = widths.fit_moffat(image, image.max() * (1e-3 if model_error == 0 else 2e-4), model_error)
            fits_.append(fit.beta)
            ratios.append(fit.fwhm * 0.262 / widths.psfsize(image, 0.262))
        medians[model_error] = np.median(fits_), np.median(ratios)
    assert medians[0.03][0] < 2.68 < medians[0.0][0] < 4
    assert 0.64 < medians[0.03][1] < 0.731 < medians[0.0][1] < 0.80


def test_a_real_psf_changes_over_its_ccd_by_little_and_keeps_its_sum(real):
    model = read_psfex(real / "psf/psfex/testcase3/c4d_150329_083320_ooi_r_ls9-N11-psfex.fits.gz")
    corners = [
        model.image(model.zero[0] + sx * model.scale[0] / 2, model.zero[1] + sy * model.scale[1] / 2)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    sizes = [widths.psfsize(image, 0.262) for image in corners]
    assert all(image.sum() == pytest.approx(1) for image in corners)
    assert 0.001 < np.ptp(sizes) / np.mean(sizes) < 0.1
    assert np.unravel_index(model.image().argmax(), (63, 63)) == (31, 31)


def test_a_real_merged_file_is_read_by_ccd(real):
    path = real / "psf/psfex/bass_mzls_grz/mosaic-00110480.fits.gz"
    single = read_psfex(real / "psf/psfex/bass_mzls_grz/mosaic-00110480-CCD3.fits.gz")
    merged = read_psfex(path, "CCD3")
    np.testing.assert_allclose(merged.basis, single.basis, rtol=1e-6)


def merged(path, masks, degrees, sizes, names=("N1", "N2"), polnaxis=2):
    """CCDs in arrays of one shape; each says its own degree and size, as the survey's merged files do."""
    n, terms, side, _ = masks.shape
    ints = {"polnaxis": [polnaxis] * n, "poldeg1": degrees, "psfaxis1": sizes, "psfaxis2": sizes}
    keys = {"polzero1": 1000.0, "polzero2": 2000.0, "polscal1": 1900.0, "polscal2": 3900.0, "psf_samp": 1.0}
    columns = [
        fits.Column("psf_mask", f"{terms * side * side}E", dim=f"({side},{side},{terms})", array=masks.astype("f4"))
    ]
    columns += [fits.Column(key, "D", array=np.full(n, value)) for key, value in keys.items()] + [
        fits.Column(k, "J", array=np.array(v)) for k, v in ints.items()
    ]
    fits.BinTableHDU.from_columns([*columns, fits.Column("ccdname", "3A", array=np.array(names))]).writeto(
        path, overwrite=True
    )
    return path


def narrow(size, fwhm=4.0):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.exp(-(x**2 + 2 * y**2) / fwhm)  # no symmetry between x and y
    return image / image.sum()


@pytest.mark.parametrize(("degree", "size"), [(0, 15), (1, 15), (2, 15), (0, 11), (2, 11), (1, 13)])
def test_a_padded_model_is_that_of_its_own_degree_and_size(tmp_path, degree, size):
    terms = (degree + 1) * (degree + 2) // 2
    masks = np.zeros((2, 6, 15, 15))
    masks[0] = 0.01 * narrow(15)
    masks[1, :terms, :size, :size] = [narrow(size) / (1 + i) for i in range(terms)]
    padded = read_psfex(merged(tmp_path / "a.fits", masks, [2, degree], [15, size]), "N2")
    alone = read_psfex(merged(tmp_path / "b.fits", masks[1:, :terms, :size, :size], [degree], [size], names=("N2",)))
    np.testing.assert_array_equal(padded.image(300, 3500), alone.image(300, 3500))
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    assert abs((padded.image() * x).sum()) + abs((padded.image() * y).sum()) < 1e-6


def test_what_looks_like_padding_and_is_none_is_refused(tmp_path):
    masks = np.zeros((2, 6, 15, 15))
    masks[:] = narrow(15)
    with pytest.raises(PsfexError, match=r"degree 1 needs 3 images"):
        read_psfex(merged(tmp_path / "a.fits", masks, [2, 1], [15, 15]), "N2")
    with pytest.raises(PsfexError, match=r"PSFAXIS says 11 x 11, and the rest is not zero"):
        read_psfex(merged(tmp_path / "a.fits", masks, [2, 2], [15, 11]), "N2")
    with pytest.raises(PsfexError, match=r"images that are no PSF"):
        read_psfex(merged(tmp_path / "a.fits", masks * np.nan, [2, 2], [15, 15]), "N2")
    with pytest.raises(PsfexError, match=r"images that are no PSF"):
        read_psfex(merged(tmp_path / "a.fits", masks * 0, [2, 2], [15, 15]), "N2")
    with pytest.raises(PsfexError, match=r"POLNAXIS 1"):
        read_psfex(merged(tmp_path / "a.fits", masks, [2, 2], [15, 15], polnaxis=1), "N2")


@pytest.mark.parametrize("flat", [True, False])
def test_a_model_that_does_not_vary_is_one_image_everywhere(tmp_path, flat):
    image = narrow(15)
    column = fits.Column(
        "psf_mask", "225E", dim="(15,15)" if flat else "(15,15,1)", array=image[None] if flat else image[None, None]
    )
    table = fits.BinTableHDU.from_columns([column])
    table.header["POLNAXIS"], table.header["PSF_SAMP"] = 0, 1.0
    table.writeto(tmp_path / "a.fits")
    model = read_psfex(tmp_path / "a.fits")
    np.testing.assert_allclose(model.image(), image, rtol=1e-5)
    np.testing.assert_array_equal(model.image(100, 3000), model.image())
