"""Units are what files state, however they spell them: one place reads them for every reader, and another unit
is refused or converted.
"""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from brick_files import header, write_brick
from raw_skies import raw_sky, settings_of
from stamp_files import decals
from sweep_files import sweep_columns
from sweep_files import write as write_table
from viewer import serving

from lenscal import objects
from lenscal.audit import Run, catalogue
from lenscal.config import Service
from lenscal.io import sweeps, units
from lenscal.io.survey import BrickFiles, CoaddSurvey, PixelError, ServiceSurvey, SurveyError
from lenscal.io.survey.stamps import StampError, StampSurvey
from lenscal.kernels import resampling, widths

SPELT = {
    "nanomaggy": ["nanomaggy", "nanomaggies", "Nanomaggies", "nmgy", "nmaggy", " nanomaggy ", "1e-9 maggy"],
    "1/nanomaggy^2": [
        "1/nanomaggy^2",
        "1/nanomaggies^2",
        "nanomaggies^(-2)",
        "nanomaggy^-2",
        "nanomaggy**-2",
        "1/nanomaggy**2",
        "nanomaggy-2",
        "nmgy^-2",
        "nanomaggy^{-2}",
        "(nanomaggy)^-2",
        "1 / nanomaggies^2",
    ],
    "arcsec": ["arcsec", "arcseconds", "ARCSEC", '"', "arcsecond"],
    "deg": ["deg", "degree", "degrees", "Degrees", "DEG"],
    "1/arcsec^2": ["1/arcsec^2", "arcsec^(-2)", "arcsec-2"],
    "mag": ["mag", "mag(AB)", "AB mag", "ABmag", "magnitude"],
}
OTHERS = {
    "nanomaggy": "uJy",
    "1/nanomaggy^2": "nanomaggy",
    "arcsec": "pixel",
    "deg": "rad",
    "1/arcsec^2": "arcsec",
    "mag": "nanomaggy",
}


@pytest.mark.parametrize("unit", SPELT)
def test_every_spelling_of_a_unit_is_that_unit_and_no_other(unit):
    for text in SPELT[unit]:
        assert units.problem(text, unit) is None, text
        for other in set(SPELT) - {unit}:
            assert units.problem(text, other) is not None, (text, other)
    assert units.problem(OTHERS[unit], unit) == f"is in '{OTHERS[unit]}', not '{unit}'"
    for nothing in (None, "", "  ", "-", "none"):
        assert units.problem(nothing, unit) is None


@pytest.mark.parametrize("text", ["banana", "h:m:s", "nanomagi", "1/", "^2"])
def test_what_is_no_unit_is_never_taken_for_one(text):
    assert units.unit(text) is None
    assert units.problem(text, "nanomaggy") is not None
    assert units.degrees(np.ones(1), text) is None
    assert units.is_inverse_variance(text) is None


COLUMNS = {
    "FLUX_G": "nanomaggy",
    "FLUX_IVAR_R": "1/nanomaggy^2",
    "PSFSIZE_Z": "arcsec",
    "RA": "deg",
    "DEC": "deg",
    "SHAPE_R": "arcsec",
    "SHAPE_R_IVAR": "1/arcsec^2",
    "GAIA_PHOT_G_MEAN_MAG": "mag",
}


def stating(path, column, unit):
    columns = sweep_columns()
    columns.setdefault(column, np.ones(5, ">f4"))
    write_table(path, columns)
    names = list(columns)
    fits.setval(path, f"TUNIT{names.index(column) + 1}", value=unit, ext=1)
    return path, [*sweeps.SWEEP_COLUMNS, *([column] if column not in sweeps.SWEEP_COLUMNS else [])]


@pytest.mark.parametrize("column", COLUMNS)
def test_columns_of_sweeps_are_read_in_every_spelling_and_refused_in_another_unit(tmp_path, column):
    for i, text in enumerate(SPELT[COLUMNS[column]]):
        path, names = stating(tmp_path / f"{i}.fits", column, text)
        assert len(sweeps.read_sweep(path, names)) == 5
    path, names = stating(tmp_path / "other.fits", column, OTHERS[COLUMNS[column]])
    with pytest.raises(
        sweeps.SweepError,
        match=rf"column {column} is in '{OTHERS[COLUMNS[column]]}', expected '{COLUMNS[column].replace('^', '.')}'",
    ):
        sweeps.read_sweep(path, names)


@pytest.mark.parametrize("product", ["image", "invvar", "psfsize"])
@pytest.mark.parametrize("band", ["g", "z"])
def test_planes_of_a_brick_are_read_in_every_spelling_and_refused_in_another_unit(tmp_path, product, band):
    write_brick(tmp_path, "1500p000", 0, header(150.0, 0.0))
    unit = {"image": "nanomaggy", "invvar": "1/nanomaggy^2", "psfsize": "arcsec"}[product]
    path = tmp_path / f"legacysurvey-1500p000-{product}-{band}.fits.fz"
    for text in SPELT[unit]:
        fits.setval(path, "BUNIT", value=text, ext=1)
        assert np.isfinite(BrickFiles(tmp_path, "1500p000").read(np.array([150.0]), np.array([0.0]), 21)["image"]).any()
    fits.setval(path, "BUNIT", value=OTHERS[unit], ext=1)
    with pytest.raises(PixelError, match=rf"band {band}: file '.*{product}-{band}.*' is in '{OTHERS[unit]}', not '"):
        BrickFiles(tmp_path, "1500p000").read(np.array([150.0]), np.array([0.0]), 21)


@pytest.mark.parametrize(
    ("column", "unit", "other"),
    [
        ("psfsize_r", "arcsec", "pixel"),
        ("psfdepth_r", "mag", "1/nanomaggy^2"),
        ("area", "deg^2", "arcmin^2"),
        ("galdepth_z", "mag", "nanomaggy"),
    ],
)
def test_columns_of_the_table_of_bricks_are_held_to_their_unit(tmp_path, column, unit, other):
    for text, right in ((unit, True), (other, False)):
        Table({"brickname": ["a", "b"], "ra": [1.0, 2.0], "dec": [1.0, 2.0], column: [1.0, 2.0]}).write(
            tmp_path / "survey-bricks.fits.gz", overwrite=True
        )
        fits.setval(tmp_path / "survey-bricks.fits.gz", "TUNIT4", value=text, ext=1)
        if right:
            assert CoaddSurvey(tmp_path, "ls-dr10").bricks()[column].tolist() == [1.0, 2.0]
        else:
            with pytest.raises(SurveyError, match=rf"column {column} is in '{other.replace('^', '.')}"):
                CoaddSurvey(tmp_path, "ls-dr10").bricks()


def test_positions_of_bricks_are_converted_and_one_without_a_place_is_refused(tmp_path):
    table = Table({"brickname": ["a", "b"], "ra": np.deg2rad([10.0, 200.0]), "dec": np.deg2rad([1.0, -30.0])})
    table["ra"].unit = table["dec"].unit = "rad"
    table.write(tmp_path / "survey-bricks.fits.gz")
    bricks = CoaddSurvey(tmp_path, "ls-dr10").bricks()
    np.testing.assert_allclose(bricks["ra"], [10.0, 200.0])
    np.testing.assert_allclose(bricks["dec"], [1.0, -30.0])
    (tmp_path / "other").mkdir()
    Table({"brickname": ["a", "b"], "ra": [10.0, np.nan], "dec": [1.0, 2.0]}).write(
        tmp_path / "other/survey-bricks.fits.gz"
    )
    with pytest.raises(SurveyError, match=r"1 of 2 bricks have no position in degrees, the first: 'b'"):
        CoaddSurvey(tmp_path / "other", "ls-dr10").bricks()


ROWS = pd.DataFrame({"galaxy_id": [7], "ra": [150.0], "dec": [2.0], "brickname": "x"})


@pytest.mark.parametrize("unit", [*SPELT["nanomaggy"], "DN", "uJy", "1/nanomaggy^2"])
def test_answers_of_the_service_are_held_to_their_unit(unit):
    with serving() as viewer:
        viewer.planes, viewer.always = (), {"units": unit}
        service = ServiceSurvey(
            Service(url=viewer.address, planes=[], requests_per_second=1000, attempts=1, backoff_seconds=0.01),
            "ls-dr10",
            "/nowhere",
        )
        if unit in SPELT["nanomaggy"]:
            assert service.read(ROWS, 21).failure.values.tolist() == [""]
        else:
            with pytest.raises(PixelError, match=f"plane 'image' is in '{unit.replace('^', '.')}', not 'nanomaggy'"):
                service.read(ROWS, 21)


@pytest.mark.parametrize("unit", [*SPELT["nanomaggy"], "DN", "mag", "uJy"])
def test_stamps_are_held_to_their_unit(tmp_path, unit):
    path = tmp_path / "cutouts/decals_grz/decals_a.fits.gz"
    decals(path, np.random.default_rng(1), 10.0, 1.0)
    fits.setval(path, "BUNIT", value=unit)
    stamps = StampSurvey(tmp_path, ["decals_grz"], resampling.resample, widths)
    if unit in SPELT["nanomaggy"]:
        assert len(stamps._stamps(stamps.profiles[0])) == 1
    else:
        with pytest.raises(StampError, match=f"is in '{unit}'; expected 'nanomaggy'"):
            stamps._stamps(stamps.profiles[0])


# Depths go by the unit of their own file


@pytest.fixture(scope="module")
def raw():
    return raw_sky()[0].iloc[:400].reset_index(drop=True)


def sweep_of(folder, raw, unit, value=None):
    path = folder / "survey/south/sweep/10.1/sweep-020m005-025p005.fits"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = []
    for name in raw:
        values = raw[name].to_numpy() if value is None or name not in objects.DEPTHS else np.full(len(raw), value, "f4")
        kind = {"i2": "I", "i4": "J", "f4": "E", "f8": "D"}.get(values.dtype.str[1:], "8A")
        columns.append(
            fits.Column(
                name,
                kind,
                unit=unit if name in objects.DEPTHS else None,
                array=values.astype("S8") if kind == "8A" else values,
            )
        )
    fits.BinTableHDU.from_columns(columns).writeto(path, overwrite=True)
    return path


def imported(folder, path):
    (folder / "lenses.csv").write_text("ra,dec,name,grade,reference\n20.5,0.1,a,probable,x\n")
    place = Run(settings_of(folder, "run"))
    catalogue.import_sweep(place, path, sweeps.stem_of(path))
    return pd.concat([pd.read_parquet(leaf) for leaf in (folder / "run/objects/galaxies/dataset").rglob("*.parquet")])


@pytest.mark.parametrize("unit", [*SPELT["1/nanomaggy^2"][:4], *SPELT["mag"][:2], None])
def test_depths_of_a_sweep_become_magnitudes_by_the_unit_it_states(tmp_path, raw, unit):
    stated = units.is_inverse_variance(unit)
    table = imported(tmp_path, sweep_of(tmp_path, raw, unit, 24.5 if stated is False else None))
    assert table["psfdepth_r"].between(24.49, 24.51).all()


def test_depths_that_are_none_of_the_unit_they_state_are_refused(tmp_path, raw):
    with pytest.raises(
        objects.ObjectsError, match="depths from row 0 on can be no magnitudes, and the file says that they are"
    ):
        imported(tmp_path, sweep_of(tmp_path, raw, "mag"))
    with pytest.raises(objects.ObjectsError, match="0 of 2,400 depths can be no magnitudes, and the others lie in"):
        imported(tmp_path, sweep_of(tmp_path, raw, "1/nanomaggy^2", 24.5))
    with pytest.raises(sweeps.SweepError, match=r"column PSFDEPTH_G is in 'nanomaggy', expected 1/nanomaggy.2 or mag"):
        imported(tmp_path, sweep_of(tmp_path, raw, "nanomaggy"))
    path = sweep_of(tmp_path, raw, "1/nanomaggy^2")
    names = fits.getdata(path).names
    fits.setval(path, f"TUNIT{names.index('GALDEPTH_Z') + 1}", value="mag", ext=1)
    with pytest.raises(sweeps.SweepError, match=r"some depths are in 1/nanomaggy.2 and others in mag"):
        imported(tmp_path, path)
