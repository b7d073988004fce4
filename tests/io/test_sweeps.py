"""Sweep and Tractor files are read as they are, or refused in one sentence that names the file and what is wrong."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from sweep_files import sweep_columns, write

from lenscal import objects, schema
from lenscal.io import sweeps


@pytest.fixture
def columns():
    return sweep_columns()


def test_values_are_those_of_the_file_in_native_bytes(tmp_path, columns):
    table = sweeps.read_sweep(write(tmp_path / "sweep-010p000-020p010.fits", columns))
    assert list(table.columns) == list(sweeps.SWEEP_COLUMNS)
    for name in sweeps.SWEEP_COLUMNS:
        if columns[name].dtype.kind != "S":
            assert table[name].dtype.isnative
            np.testing.assert_array_equal(table[name].to_numpy(), columns[name])
    assert table["TYPE"].tolist() == ["PSF", "REX", "EXP", "DEV", "SER"]
    assert table["BRICKNAME"].unique().tolist() == ["0105p050"]


@pytest.mark.parametrize(("name", "kind"), [("MASKBITS", "u4"), ("FITBITS", "u2"), ("NOBS_Z", "u2")])
def test_unsigned_numbers_are_read_as_they_were_meant(tmp_path, columns, name, kind):
    top = np.iinfo(kind).max
    columns[name] = np.array([0, 1, 2, top - 1, top], kind)
    Table({n: values.astype(values.dtype.newbyteorder("=")) for n, values in columns.items()}).write(
        tmp_path / "a.fits"
    )
    assert fits.getheader(tmp_path / "a.fits", 1)["TZERO*"]
    assert sweeps.read_sweep(tmp_path / "a.fits")[name].tolist() == columns[name].tolist()


@pytest.mark.parametrize("width", [3, 4, 12])
def test_type_is_stripped_at_any_width(tmp_path, width):
    columns = sweep_columns(8, width)
    columns["TYPE"] = np.array([t.decode().lower().ljust(width).encode() for t in columns["TYPE"]], f"S{width}")
    types = sweeps.read_sweep(write(tmp_path / "a.fits", columns))["TYPE"]
    assert types.tolist() == ["PSF", "REX", "EXP", "DEV", "SER", "DUP", "PSF", "REX"]


def test_lower_case_names_and_compressed_files_are_read(tmp_path, columns):
    lower = {name.lower(): values for name, values in columns.items()}
    plain = sweeps.read_sweep(write(tmp_path / "upper.fits", columns))
    pd.testing.assert_frame_equal(sweeps.read_sweep(write(tmp_path / "tractor.fits", lower)), plain)
    pd.testing.assert_frame_equal(sweeps.read_sweep(write(tmp_path / "sweep.fits.gz", columns)), plain)


def test_a_subset_of_columns_and_rows_is_that_part_of_the_whole(tmp_path, columns):
    path = write(tmp_path / "a.fits", columns)
    part = sweeps.read_sweep(path, ["RA", "TYPE"], rows=(1, 4))
    pd.testing.assert_frame_equal(
        part.astype({"TYPE": str}),
        sweeps.read_sweep(path)[["RA", "TYPE"]][1:4].reset_index(drop=True).astype({"TYPE": str}),
    )


def test_zero_rows_are_read_and_make_no_galaxies(tmp_path):
    table = sweeps.read_sweep(write(tmp_path / "a.fits", sweep_columns(0)))
    assert len(table) == 0
    assert list(table.columns) == list(sweeps.SWEEP_COLUMNS)
    galaxies, ledger = objects.galaxies(table, "a.fits")
    assert len(galaxies) == 0
    assert ledger.rows_in == ledger.missing == 0
    assert schema.GALAXIES.check_table(galaxies) is galaxies


def test_every_column_that_is_read_is_one_that_galaxies_are_made_of(tmp_path, columns):
    raw = sweeps.read_sweep(write(tmp_path / "a.fits", columns))
    for name in sweeps.SWEEP_COLUMNS:
        with pytest.raises(objects.ObjectsError, match=f"'a.fits' lacks column.* {name}"):
            objects.galaxies(raw.drop(columns=name), "a.fits")


def test_missing_and_renamed_columns_are_named(tmp_path, columns):
    columns["PSFDEPTH_RR"] = columns.pop("PSFDEPTH_R")
    del columns["SHAPE_E1"]
    with pytest.raises(
        sweeps.SweepError,
        match=r"a\.fits' \(5 rows\) lacks 2 column\(s\): PSFDEPTH_R, SHAPE_E1 \(PSFDEPTH_RR looks like PSFDEPTH_R\)",
    ):
        sweeps.read_sweep(write(tmp_path / "a.fits", columns))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("FLUX_R", np.array([b"1.0"] * 5, "S3"), "FLUX_R is .*expected f4"),
        ("OBJID", np.arange(5.0), "OBJID is .*expected i4"),
        ("EBV", np.zeros((5, 2), "f4"), r"EBV holds \(2,\) numbers a row"),
    ],
)
def test_a_column_of_another_kind_is_refused(tmp_path, columns, name, values, words):
    columns[name] = values
    with pytest.raises(sweeps.SweepError, match=r"a\.fits' \(5 rows\): column " + words):
        sweeps.read_sweep(write(tmp_path / "a.fits", columns))


@pytest.mark.parametrize("keep", [0.95, 0.6, 0.05])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_truncated_file_is_named(tmp_path, keep, suffix):
    path = write(tmp_path / f"sweep.fits{suffix}", sweep_columns(3000))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(sweeps.SweepError, match=r"sweep\.fits.* truncated"):
        sweeps.read_sweep(path)


def test_what_is_no_table_is_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(sweeps.SweepError, match="holds no FITS table"):
        sweeps.read_sweep(tmp_path / "image.fits")
    (tmp_path / "page.fits").write_text("<html>404</html>" * 400)
    with pytest.raises(sweeps.SweepError, match=r"page\.fits' cannot be read"):
        sweeps.read_sweep(tmp_path / "page.fits")
    with pytest.raises(sweeps.SweepError, match=r"absent\.fits' cannot be read"):
        sweeps.read_sweep(tmp_path / "absent.fits")


def test_sweep_files_are_found_in_order_without_their_companions(tmp_path):
    for name in ("sweep-010p000-020p005", "sweep-000m005-005p000", "sweep-000m005-005p000-pz", "tractor-0105p050"):
        (tmp_path / f"{name}.fits").touch()
    assert [p.name for p in sweeps.sweep_files(tmp_path)] == [
        "sweep-000m005-005p000.fits",
        "sweep-010p000-020p005.fits",
    ]
    with pytest.raises(sweeps.SweepError, match="no sweep file"):
        sweeps.sweep_files(tmp_path / "absent")


@pytest.mark.parametrize(
    ("release", "words"),
    [("dr3", "DR3 to DR6"), ("dr7", "DR7 or DR8.*RELEASE 7000"), ("dr8", "DR7 or DR8.*RELEASE 8000")],
)
def test_real_sweeps_of_old_releases_are_refused_with_what_they_lack(real, release, words):
    path = real / "tractor" / release / "sweep-190m005-200p000.fits"
    with pytest.raises(sweeps.SweepError, match=rf"(?s)lacks .*PSFSIZE_R.*SERSIC.*{words}"):
        sweeps.read_sweep(path)
    old = sweeps.read_sweep(path, ["RA", "DEC", "TYPE", "FLUX_R"])
    assert set(old["TYPE"]) <= {"PSF", "REX", "EXP", "DEV", "COMP", "SIMP"}


def test_the_real_dr9_tractor_row_is_read_whole(real):
    raw = sweeps.read_sweep(real / "tractor" / "dr9" / "tractor-1054p567.fits")
    galaxies, ledger = objects.galaxies(raw, "tractor-1054p567.fits")
    row = galaxies.iloc[0]
    assert ledger.rows_out == 1
    assert raw["BRICK_PRIMARY"].tolist() == [True]
    assert (row["release"], row["brickid"], row["objid"], row["brickname"], row["type"]) == (
        9011,
        607466,
        2657,
        "1054p567",
        "REX",
    )
    assert row["galaxy_id"] == 39633345008634465
    assert 23 < row["psfdepth_z"] < row["psfdepth_r"] < row["psfdepth_g"] < 25


YES_AND_NO = {
    "letters": np.array([b"T", b"F", b"T", b"F", b"T"], "S1"),
    "small letters": np.array([b"t", b"f", b"t", b"f", b"t"], "S1"),
    "words": np.array([b"True ", b"False", b"True ", b"False", b"True "], "S5"),
    "digits": np.array([b"1", b"0", b"1", b"0", b"1"], "S1"),
    "u1": np.array([1, 0, 1, 0, 1], "u1"),
    "i2": np.array([1, 0, 1, 0, 1], ">i2"),
    "f4": np.array([1, 0, 1, 0, 1], ">f4"),
    "logical": np.array([True, False, True, False, True]),
}


@pytest.mark.parametrize("kind", YES_AND_NO)
def test_rows_that_are_not_primary_go_however_yes_and_no_are_written(tmp_path, kind):
    columns = sweep_columns() | {"BRICK_PRIMARY": YES_AND_NO[kind]}
    assert sweeps.read_sweep(write(tmp_path / "tractor.fits", columns))["BRICK_PRIMARY"].tolist() == [
        True,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "values",
    [
        np.array([b"T", b"?", b"T", b"F", b"T"], "S1"),
        np.array([1, 2, 1, 0, 1], "u1"),
        np.array([1, np.nan, 1, 0, 1], ">f4"),
    ],
)
def test_what_is_neither_yes_nor_no_is_refused(tmp_path, values):
    with pytest.raises(sweeps.SweepError, match=r"column BRICK_PRIMARY holds .*; expected T and F, or 1 and 0"):
        sweeps.read_sweep(write(tmp_path / "tractor.fits", sweep_columns() | {"BRICK_PRIMARY": values}))


@pytest.mark.parametrize("shape", ["(3,1)", "(3)", "(1,3)"])
def test_a_text_with_tdim_is_that_text_or_refused_and_shifts_no_column(tmp_path, columns, shape):
    path = write(tmp_path / "a.fits", columns)
    place = list(columns).index("TYPE") + 1
    fits.setval(path, f"TDIM{place}", value=shape, ext=1)
    if shape == "(1,3)":
        with pytest.raises(sweeps.SweepError, match=r"column TYPE holds \(3,\) numbers a row"):
            sweeps.read_sweep(path)
        return
    table = sweeps.read_sweep(path)
    assert table["TYPE"].tolist() == ["PSF", "REX", "EXP", "DEV", "SER"]
    for name in ("RA", "DEC", "MASKBITS", "FLUX_R"):
        np.testing.assert_array_equal(table[name].to_numpy(), columns[name])


def test_a_row_that_is_longer_than_its_columns_is_refused(tmp_path, columns):
    path = write(tmp_path / "a.fits", columns)
    place = list(columns).index("RA") + 1
    content = path.read_bytes()
    old = f"TFORM{place}".ljust(8).encode() + b"= 'D       '"
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, old.replace(b"D  ", b"E  ")))
    with pytest.raises(sweeps.SweepError, match=r"its columns take \d+ bytes by TFORM, and a row has \d+ \(NAXIS1\)"):
        sweeps.read_sweep(path)
