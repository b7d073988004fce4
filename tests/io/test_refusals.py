"""What a disk refuses is said with the name of the file or folder, and never taken for something that is
broken, empty or not there.
"""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from brick_files import CENTRES, header, sky, table, write_brick
from points import Points

from lenscal.io import cosmos, folders, hats, hats_catalogue, leftovers, psfex, stores, sweeps
from lenscal.io.survey import CoaddSurvey
from lenscal.io.survey.geometry import read_geometry
from lenscal.io.survey.stamps import files as stamp_files
from lenscal.io.survey.stamps import profiles
from lenscal.io.tables import reading

POINTS = Points()


def refusing(kind, path, number):
    """Whatever is done of a kind to a path fails with a number of the system."""

    def at(found, place):
        if found == kind and place.rstrip("/") == str(path):
            raise OSError(number, os.strerror(number), place)

    POINTS.folders = (str(path),)
    return POINTS.told(at)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """Two bricks that overlap, and the table of bricks."""
    root = tmp_path_factory.mktemp("survey")
    rows = []
    for number, (name, (ra, dec)) in enumerate(list(CENTRES.items())[:2]):
        write_brick(root / "south" / "coadd" / name[:3] / name, name, number, header(ra, dec))
        rows.append((name, number, ra, dec))
    Table(rows=rows, names=["BRICKNAME", "BRICKID", "RA", "DEC"]).write(root / "survey-bricks.fits.gz")
    return root


PLANES = [*(f"{product}-{band}" for product in ("image", "invvar", "nexp", "psfsize") for band in "grz"), "maskbits"]


@pytest.mark.parametrize("brick", ["1500p000", "1500p001"], ids=["own", "neighbour"])
@pytest.mark.parametrize("plane", PLANES)
def test_a_plane_that_the_disk_does_not_give_is_no_broken_one_whose_galaxies_fail(survey, plane, brick):
    path = survey / "south" / "coadd" / brick[:3] / brick / f"legacysurvey-{brick}-{plane}.fits.fz"
    x, y = (120, 230) if brick == "1500p001" else (120, 120)
    with (
        refusing("read", path, errno.EIO),
        pytest.raises(folders.DiskError, match=f"'{path}' cannot be read: Input/output error; check the disk"),
    ):
        CoaddSurvey(survey, "ls-dr10-south").read(table(sky(x, y)), 21)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE])
@pytest.mark.parametrize(
    "name", ["table.csv", "table.csv.gz", "table.tsv", "table.ecsv", "table.fits", "table.fits.gz"]
)
def test_a_table_that_the_disk_does_not_give_is_said_to_be_that(tmp_path, name, number):
    path = tmp_path / name
    kind = {"csv": "ascii.csv", "tsv": "ascii.tab", "ecsv": "ascii.ecsv", "fits": "fits"}[
        name.removesuffix(".gz").split(".")[1]
    ]
    Table({"ra": [1.0], "dec": [2.0]}).write(path.with_name(name.removesuffix(".gz")), format=kind)
    if name.endswith(".gz"):
        Table({"ra": [1.0], "dec": [2.0]}).write(path, format=kind) if kind == "fits" else pd.DataFrame(
            {"ra": [1.0], "dec": [2.0]}
        ).to_csv(path)
    assert len(reading.read_table(path)) == 1
    with (
        refusing("read", path, number),
        pytest.raises(folders.DiskError, match=f"'{path}' cannot be read: {os.strerror(number)}"),
    ):
        reading.read_table(path)


def _stamps(path):
    return list(
        stamp_files._read_file(
            profiles.load_profiles().profiles[next(iter(profiles.load_profiles().profiles))], path, path.name
        )
    )


def _sources(path):
    (path.parent / "cosmos_catalog.csv").write_text(",".join(cosmos._COLUMNS) + "\n")
    return cosmos.read_cosmos(path)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("model.fits", psfex.read_psfex),
        ("stamps.npz", _stamps),
        ("stamps.fits", _stamps),
        ("cosmos_stamps.fits.gz", _sources),
    ],
)
def test_a_model_or_stamp_that_the_disk_does_not_give_is_no_broken_one(tmp_path, name, read):
    path = tmp_path / name
    path.write_bytes(b"nothing of use")
    with pytest.raises(ValueError, match="cannot be read"):
        read(path)
    with (
        refusing("read", path, errno.EIO),
        pytest.raises(folders.DiskError, match=f"'{path}' cannot be read: Input/output error"),
    ):
        read(path)


def test_the_table_of_bricks_that_the_disk_does_not_give_is_not_absent(survey):
    root = survey
    assert len(read_geometry(root, "south").table) == 2
    from lenscal.io.survey import geometry

    geometry._joined.cache_clear()
    with (
        refusing("read", root / "survey-bricks.fits.gz", errno.EIO),
        pytest.raises(folders.DiskError, match=r"survey-bricks\.fits\.gz' cannot be read"),
    ):
        CoaddSurvey(root, "ls-dr10-south").bricks()


def _sweeps(root):
    (root / "south" / "sweep" / "10.1").mkdir(parents=True)
    for name in ("sweep-150p000-155p005.fits", "sweep-155p000-160p005.fits"):
        (root / "south" / "sweep" / "10.1" / name).write_bytes(b"")
    return root / "south" / "sweep" / "10.1", lambda: sweeps.sweep_files(root)


def _partitions(root):
    for number in (0, 1):
        stores.write_table(root / f"Npix-{number}.parquet", pd.DataFrame({"galaxy_id": [number]}))
    return root, lambda: stores.read_table(root)


def _leaf(root):
    folder = hats.leaf_folder(root, 5, 7)
    folder.mkdir(parents=True)
    (folder / "sweep.parquet").write_bytes(b"")
    (root / "partition_info.csv").write_text("Norder,Npix\n5,7\n")
    return folder, lambda: hats_catalogue.Catalogue(root).files(7)


def _leaves(root):
    folder = hats.leaf_folder(root, 5, 7)
    folder.mkdir(parents=True)
    pd.DataFrame({name: ["a"] for name in hats.TEXT}).to_parquet(folder / "sweep.parquet")
    return folder.parent, lambda: hats.rows_of(root)


def _flat_brick(root):
    (root / "legacysurvey-1500p000-image-g.fits.fz").write_bytes(b"")
    return root, lambda: CoaddSurvey(root, "ls-dr10-south").brick("1500p000").folder


@pytest.mark.parametrize("listed", [_sweeps, _partitions, _leaf, _leaves, _flat_brick])
def test_a_folder_that_may_not_be_listed_is_no_empty_one(tmp_path, listed):
    folder, read = listed(tmp_path)
    found = read()
    assert len(found) if hasattr(found, "__len__") else found
    with (
        refusing("list", folder, errno.EACCES),
        pytest.raises(folders.DiskError, match=f"'{folder}' cannot be listed: Permission denied"),
    ):
        read()


@pytest.mark.parametrize(
    "pattern", ["*.parquet", "**/*.parquet", "a/*/x.parquet", "*/b=*/*", "none/*", "**/b=*", "a.parquet/*"]
)
def test_a_folder_that_may_be_listed_gives_what_a_glob_gives(tmp_path, pattern):
    for name in (
        "x.parquet",
        ".y.parquet",
        "a/b=1/x.parquet",
        "a/b=2/x.parquet",
        "a/c/x.parquet",
        "d/b=1/z",
        "a.parquet",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    assert folders.matching(tmp_path, pattern) == sorted(tmp_path.glob(pattern))


def _arrow_fails(*_, **__):
    raise OSError(
        errno.EIO, "Error reading bytes from file. Detail: [errno 5] Input/output error"
    )  # as Arrow says it: no name


@pytest.mark.parametrize("what", ["table", "leaf", "rows"])
def test_what_arrow_cannot_read_is_named(tmp_path, monkeypatch, what):
    (tmp_path / "partition_info.csv").write_text("Norder,Npix\n5,7\n")
    path = hats.leaf_folder(tmp_path, 5, 7) / "sweep.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"ra": [1.0]}).to_parquet(path)
    read = {
        "table": lambda: stores.read_table(path),
        "leaf": lambda: hats_catalogue.Catalogue(tmp_path).read(7, ["ra"]),
        "rows": lambda: hats.rows_of(tmp_path),
    }[what]
    monkeypatch.setattr(pq, "read_table", _arrow_fails)
    monkeypatch.setattr(pq, "ParquetFile", _arrow_fails)
    with pytest.raises(folders.DiskError, match=f"'{path}' cannot be read: .*Input/output error"):
        read()


def _galaxies():
    rows = pd.DataFrame(
        {name: np.zeros(3, "f8" if v.dtype == "str" else v.dtype) for name, v in hats.schema.GALAXIES.variables.items()}
    )
    text = [name for name, v in hats.schema.GALAXIES.variables.items() if v.dtype == "str"]
    return rows.assign(**{name: ["a"] * 3 for name in text})


@pytest.mark.parametrize("method", ["__init__", "write_table", "close"])
def test_what_arrow_cannot_write_is_named_and_no_part_of_it_stays(tmp_path, monkeypatch, method):
    monkeypatch.setattr(pq.ParquetWriter, method, _arrow_fails)
    with (
        pytest.raises(folders.DiskError, match=r"/\.sweep\.tmp' cannot be written: .*Input/output error"),
        hats.Writer(tmp_path / "galaxies", "sweep", 5, 10.0) as writer,
    ):
        writer.add(_galaxies())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["cube.zarr", "hosts.parquet", "gates.json"])
def test_what_a_killed_write_left_beside_its_place_is_taken_away(tmp_path, name):
    with folders.in_place(tmp_path / name) as unfinished:
        unfinished.mkdir()
        (unfinished / "half").write_bytes(b"half")
        shutil.copytree(unfinished, tmp_path / f"{unfinished.name}x.tmp")  # as a kill leaves it
    shutil.rmtree(tmp_path / name)
    (tmp_path / f".{name}.77.0123abcd.tmp").write_bytes(b"half")
    other = tmp_path / ".other.parquet.77.0123abcd.tmp"
    other.write_bytes(b"half")
    leftovers.tidy(tmp_path / name)
    assert list(tmp_path.iterdir()) == [other]


def test_an_answer_of_a_file_that_is_not_there_stays_what_it_was(tmp_path):
    for error in (
        FileNotFoundError(errno.ENOENT, "none"),
        NotADirectoryError(errno.ENOTDIR, "none"),
        OSError("Empty or corrupt FITS file"),
        ValueError("no number"),
    ):
        assert folders.pass_on(error, Path("x")) is None
