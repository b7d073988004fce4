"""The embedded sky is in the survey's own formats, says mock, and is what its catalogue says it is."""

import hashlib
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lenscal import config, mock, schema

galsim = pytest.importorskip("galsim")

from lenscal.io.cosmos import read_cosmos  # noqa: E402
from lenscal.manifest import confusers  # noqa: E402
from lenscal.mock import (  # noqa: E402
    catalogues,
    columns,
    conditions,
    files,
    geometry,
    lenses,
    noise,
    pixels,
    population,
    raytracing,
    stamps,
    stars,
    sweeps,
)
from lenscal.objects import galaxies as import_galaxies  # noqa: E402

BANDS = schema.BANDS
GRID = {
    "theta_e": {"start": 0.75, "stop": 2.0, "step": 0.25},
    "psf_fwhm": {"start": 1.0, "stop": 1.75, "step": 0.25},
    "depth": {"start": 23.0, "stop": 24.0, "step": 0.5},
}
TWO_CELLS = GRID | {
    "psf_fwhm": {"start": 1.1, "stop": 1.5, "step": 0.4},
    "depth": {"start": 23.5, "stop": 23.5, "step": 1.0},
}
TINY = {"bricks": 8, "brick_pixels": 300, "galaxies_per_brick": 9, "lenses": 6, "overlapping_pairs": 1}


def settings(root, grid=TWO_CELLS, seed=7, **sky):
    return config.Settings.model_validate(
        {
            "name": "tiny",
            "seed": seed,
            "stores": "stores",
            "sky": sky,
            "survey": {"root": str(root), "mock": True, "layer": "mock"},
            "objects": {"lenses": []},
            "injections": {"grid": grid},
        }
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("sky") / "survey"
    mock.draw(settings(root, **TINY), workers=2)
    return root


@pytest.fixture(scope="module")
def truth(root):
    return pd.read_parquet(root / "truth" / "truth.parquet")


@pytest.fixture(scope="module")
def bricks(root):
    return pd.read_parquet(root / "truth" / "bricks.parquet")


@pytest.fixture(scope="module")
def sweep(root):
    return np.concatenate([np.asarray(fits.getdata(path)) for path in sorted((root / sweeps_folder()).iterdir())])


def sweeps_folder():
    return "south/sweep/10.1"


def plane(root, name, product, band="", extension=1, header=False):
    path = root / f"south/coadd/{name[:3]}/{name}/legacysurvey-{name}-{product}{'-' if band else ''}{band}.fits.fz"
    return fits.getheader(path, extension) if header else fits.getdata(path, extension)


def one_brick(**changes):
    """A lone brick of known conditions."""
    brick = {
        "brickname": "1550p050",
        "brickid": 700_001,
        "ra": 155.03,
        "dec": 5.02,
        "ra1": 155.0,
        "ra2": 155.06,
        "dec1": 4.99,
        "dec2": 5.05,
        "pixels": 600,
        "special": "",
        "side": "",
        "release": 10000,
        "ebv": 0.03,
    }
    for band, psf, depth, nobs in (("g", 1.4, 24.4, 4), ("r", 1.3, 24.0, 4), ("z", 1.2, 23.1, 4)):
        brick |= {f"psfsize_{band}": psf, f"depth_{band}": depth, f"nobs_{band}": nobs, f"beta_{band}": 2.5}
    return brick | changes


def objects_at(brick, rows):
    """Complete rows of truth from a few values each."""
    plain = {"kind": "early", "type": "DEV", "q": 1.0, "pa": 0.0, "n": 4.0, "r_e": 1.0, "gaia_g": np.nan, "drawn": True}
    plain |= {"lens_theta_e": np.nan, "tail_fraction": np.nan, "pattern_seed": 0, "flux_w1": 10.0}
    plain |= {f"lensed_flux_{band}": np.nan for band in BANDS}
    table = pd.DataFrame([plain | row for row in rows])
    table["brickid"], table["objid"] = brick["brickid"], np.arange(len(table))
    table["ra"], table["dec"] = geometry.to_sky(brick["ra"], brick["dec"], brick["pixels"], table.x, table.y)
    for band in BANDS:
        table[f"mag_{band}"] = 22.5 - 2.5 * np.log10(table[f"flux_{band}"])
    return table


# ---------------------------------------------------------------- the same seed, the same bytes


def test_same_seed_gives_same_bytes_with_any_number_of_workers(root, tmp_path):
    mock.draw(settings(tmp_path / "again", **TINY), workers=1)
    first, second = ((place / "sha256sums.txt").read_text() for place in (root, tmp_path / "again"))
    assert first == second
    assert len(first.splitlines()) > 8 * 13


def test_no_compressed_tile_holds_the_time_of_its_making(root):
    headers = [
        content[match.start() : match.start() + 8]
        for content in (path.read_bytes() for path in root.rglob("*invvar*.fz"))
        for match in re.finditer(rb"\x1f\x8b\x08\x00", content)
    ]
    assert len(headers) > 100
    assert {header[4:] for header in headers} == {bytes(4)}


def test_taking_out_the_time_leaves_tiles_of_other_codes_alone():
    plane = np.full((100, 100), 0x1F8B, np.int16)
    plane[0, 1:] = np.arange(99)
    content = files.images([("NEXP", plane, {})], fits.Header())
    with fits.open(io.BytesIO(content)) as hdus:
        np.testing.assert_array_equal(hdus[1].data, plane)


def test_another_seed_gives_another_sky():
    one, other = (conditions.assign(*_bricks(seed=seed), config.Grid(**TWO_CELLS), seed) for seed in (1, 2))
    assert set(one.brickname) != set(other.brickname)


def _bricks(seed, sky=None, per_split=2):
    sky = sky or config.Sky(**TINY)
    fractions = config.Manifest().split_fractions
    return geometry.bricks(sky.bricks, sky.overlapping_pairs, sky.brick_pixels, seed, fractions, per_split), sky


def test_every_file_is_listed_with_its_checksum(root):
    listed = dict(reversed(line.split("  ")) for line in (root / "sha256sums.txt").read_text().splitlines())
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name not in (".mock", "sha256sums.txt")
    }
    assert set(listed) == found
    for place, digest in listed.items():
        assert hashlib.sha256((root / place).read_bytes()).hexdigest() == digest


def test_a_sky_drawn_again_leaves_nothing_of_the_old_one(tmp_path):
    target = tmp_path / "sky"
    few = TINY | {"bricks": 5, "galaxies_per_brick": 4, "lenses": 2, "overlapping_pairs": 0}
    one_cell = TWO_CELLS | {"psf_fwhm": {"start": 1.3, "stop": 1.3, "step": 0.4}}
    mock.draw(settings(target, one_cell, seed=3, **few), workers=1)
    before = (target / "sha256sums.txt").read_text()
    (target / "south" / "coadd" / "left-over.txt").write_text("x")
    mock.draw(settings(target, one_cell, seed=3, **few), workers=1)
    assert (target / "sha256sums.txt").read_text() == before
    assert not (target / "south" / "coadd" / "left-over.txt").exists()


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A small sky, whole."""
    target = tmp_path_factory.mktemp("earlier") / "sky"
    few = TINY | {"bricks": 5, "galaxies_per_brick": 4, "lenses": 2, "overlapping_pairs": 0}
    mock.draw(
        settings(target, TWO_CELLS | {"psf_fwhm": {"start": 1.3, "stop": 1.3, "step": 0.4}}, seed=3, **few), workers=1
    )
    return target, few


def files_of(target):
    return {
        path.relative_to(target).as_posix(): path.stat().st_mtime_ns
        for path in target.rglob("*")
        if path.is_file() and not {".new", ".mock"} & {*path.parts}
    }


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "changes", [{"psfsize_r_arcsec": (5.0, 6.0)}, {"overlapping_pairs": 9}], ids=lambda changes: next(iter(changes))
)
def test_a_sky_that_cannot_be_drawn_leaves_the_one_that_is_there(earlier, changes, late, monkeypatch):
    """Whether that is known before a brick is drawn or, as of a sky that lies in one sweep
    file, when the last one is.
    """
    target, few = earlier
    before = files_of(target)
    if late:
        monkeypatch.setattr(
            "lenscal.mock.sweeps.by_tile",
            lambda rows: (_ for _ in ()).throw(ValueError("the embedded sky lies in one sweep file")),
        )
    wrong = settings(
        target,
        TWO_CELLS | {"psf_fwhm": {"start": 1.3, "stop": 1.3, "step": 0.4}},
        seed=3,
        **(few if late else few | changes),
    )
    with pytest.raises(ValueError, match=r"cell of injections.grid|overlapping_pairs|one sweep file"):
        mock.draw(wrong, workers=1)
    assert files_of(target) == before


def test_a_draw_that_is_broken_off_leaves_the_sky_that_is_there_and_the_next_one_is_whole(earlier):
    target, few = earlier
    before, content = files_of(target), (target / "sha256sums.txt").read_text()
    grid = TWO_CELLS | {"psf_fwhm": {"start": 1.3, "stop": 1.3, "step": 0.4}}

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mock.draw(settings(target, grid, seed=5, **few), progress=stop, workers=1)
    assert files_of(target) == before
    mock.draw(settings(target, grid, seed=3, **few), workers=1)
    assert (target / "sha256sums.txt").read_text() == content
    assert not (target / ".new").exists()


@pytest.mark.parametrize("content", [None, "", "[1]", "{"])
def test_a_sky_whose_description_is_lost_is_not_current(earlier, tmp_path, content):
    target, few = earlier
    shutil.copytree(target, tmp_path / "sky")
    grid = TWO_CELLS | {"psf_fwhm": {"start": 1.3, "stop": 1.3, "step": 0.4}}
    mine = settings(tmp_path / "sky", grid, seed=3, **few)
    assert mock.is_current(mine)
    (tmp_path / "sky" / "mock.json").unlink()
    if content is not None:
        (tmp_path / "sky" / "mock.json").write_text(content)
    assert not mock.is_current(mine)


def test_a_sky_is_not_replaced_while_a_run_reads_it_nor_read_while_it_is_replaced(earlier):
    from lenscal.io import folders, locks

    target, _ = earlier
    taken = "a run reads it"
    sky = target / ".mock", "the sky"
    with (
        locks.reading(*sky),
        locks.reading(*sky),
        pytest.raises(folders.StoreError, match=taken),
        locks.alone(target, ".mock", taken),
    ):
        pass
    with (
        locks.alone(target, ".mock", taken),
        pytest.raises(folders.StoreError, match=r"the sky is being replaced by process \d+"),
        locks.reading(target / ".mock", "the sky"),
    ):
        pass


def test_everything_says_mock_and_nothing_has_a_date(root):
    assert json.loads((root / "mock.json").read_text())["mock"] is True
    for path in [*root.rglob("*.fits"), *root.rglob("*.fits.fz"), *root.rglob("*.fits.gz")]:
        with fits.open(path) as hdus:
            for hdu in hdus:
                assert hdu.header["MOCK"] is True, path
                assert not [card for card in hdu.header if card.startswith("DATE")], path
    for name in ("known-lenses.csv", "contaminants.csv"):
        table = pd.read_csv(root / "catalogues" / name)
        assert table["name"].str.startswith("MOCK-").all()


# ---------------------------------------------------------------- formats


def test_sweeps_have_the_130_columns_of_dr10_in_order_and_type(root):
    with fits.open(sorted((root / sweeps_folder()).iterdir())[0]) as hdus:
        dtype, names = hdus[1].data.dtype, hdus[1].columns.names
    assert len(names) == 130
    assert dtype.itemsize == 505  # bytes a row, as the survey documents
    for name in names:
        base, shape, _ = columns.SWEEP[name]
        found = dtype[name].base
        assert dtype[name].shape == shape
        assert found.itemsize == np.dtype(base.replace("?", "i1")).itemsize
        assert found.byteorder in (">", "|")


@pytest.mark.parametrize(
    ("name", "declared"), [("dr10_sweep_columns", columns.SWEEP), ("dr10_survey_bricks_columns", columns.SURVEY_BRICKS)]
)
def test_columns_are_those_of_the_survey_documentation(name, declared):
    real = config.real_data()
    if real is None or not (real / "schema" / f"{name}.csv").is_file():
        pytest.skip("needs the column lists of the real data")
    words = {
        "int16": "i2",
        "int32": "i4",
        "int64": "i8",
        "float32": "f4",
        "float64": "f8",
        "uint8": "u1",
        "boolean": "?",
    }
    listed = pd.read_csv(real / "schema" / f"{name}.csv")
    assert list(declared) == list(listed.name)
    for entry in listed.itertuples():
        kind, _, count = entry.type.rstrip("]").partition("[")
        expected = (f"S{count}", ()) if kind == "char" else (words[kind], (int(count),) if count else ())
        assert declared[entry.name][:2] == expected, entry.name


def test_brick_tables_hold_every_brick_once_with_depths_in_magnitudes(root, bricks):
    outer = fits.getdata(root / "survey-bricks.fits.gz")
    summary = fits.getdata(root / "south" / "survey-bricks-dr10-south.fits.gz")
    assert len(set(outer["BRICKNAME"])) == len(set(outer["BRICKID"])) == len(bricks) == len(summary)
    assert len(summary.columns) == 59
    assert ((summary["psfdepth_r"] > 20) & (summary["psfdepth_r"] < 26)).all()
    for brick in bricks.itertuples():
        assert brick.brickname == f"{int(brick.ra * 10 + 1e-6):04d}p{int(brick.dec * 10 + 1e-6):03d}"
        assert brick.ra1 < brick.ra < brick.ra2


def test_sweep_rows_lie_in_the_tile_of_their_file_but_for_the_repeated_ones(root):
    rows = {path.name: np.asarray(fits.getdata(path)) for path in sorted((root / sweeps_folder()).iterdir())}
    assert len(rows) >= 2
    strangers = sum(sweeps.tile(row["RA"], row["DEC"]) != name for name, table in rows.items() for row in table)
    assert 0 < strangers <= 3 * len(rows)


def test_one_object_can_be_listed_twice_by_file_and_by_brick(sweep, bricks):
    key = sweep["BRICKID"].astype(np.int64) << 22 | sweep["OBJID"]
    assert np.unique(key).size < key.size
    once = sweep[np.unique(key, return_index=True)[1]]
    galaxy = once[np.isin(once["TYPE"].astype(str), ["SER", "DEV", "REX"])]
    ra, dec = galaxy["RA"], galaxy["DEC"]
    close = np.hypot((ra[:, None] - ra) * np.cos(np.radians(5)), dec[:, None] - dec) < 0.5 / 3600
    different = galaxy["BRICKID"][:, None] != galaxy["BRICKID"]
    assert (close & different).any()


def test_lens_catalogues_have_the_columns_and_habits_of_their_models(root, truth):
    known = pd.read_csv(root / "catalogues" / "known-lenses.csv", dtype=str)
    assert list(known.columns) == ["name", "RA [deg]", "DEC [deg]", "zlens", "type", "grading", "ref"]
    assert set(known.grading) == {"confident", "probable"}
    assert pd.to_numeric(known.zlens, errors="coerce").isna().any()
    with fits.open(root / "catalogues" / "desi-sl-vac-mock.fits") as hdus:
        assert hdus[1].name == "DESI_SL_CATALOG"
        assert len(hdus[1].columns) == 45
        assert hdus[1].data["COEFF"].shape[1] == 10
    lens = truth[truth.kind == "lens"]
    assert len(lens) == TINY["lenses"]
    assert lens.magnification.between(1.5, 60).all()


def test_some_lenses_are_in_one_catalogue_only_and_some_in_none():
    index = np.arange(64)
    known = index % 16 != 8
    in_spectra = catalogues.spectroscopic(index, known)
    in_lenscat = known & ~catalogues.only_spectroscopic(index)
    assert (~known).sum() >= 3
    assert (in_spectra & ~in_lenscat).sum() >= 3
    assert (in_spectra & in_lenscat).sum() >= 10


def test_compressed_planes_keep_zeros_and_not_a_numbers(root, bricks):
    partly = bricks[bricks.special == "no-coverage-z"].brickname.iloc[0]
    unseen = plane(root, partly, "nexp", "z") == 0
    assert 0.02 < unseen.mean() < 0.6
    image, invvar = plane(root, partly, "image", "z"), plane(root, partly, "invvar", "z")
    assert (image[unseen] == 0).all()
    assert (invvar[unseen] == 0).all()
    assert (image[~unseen] != 0).all()
    holed = bricks[bricks.special == "nan"].brickname.iloc[0]
    for band in BANDS:
        holes = np.isnan(plane(root, holed, "image", band))
        assert 30 <= holes.sum() <= 4 * 35
        assert (plane(root, holed, "invvar", band)[holes] == 0).all()


def test_compression_adds_far_less_than_the_noise():
    rng = np.random.default_rng(1)
    sky = 0.003 * noise.unit(300, rng)
    back = fits.HDUList.fromstring(files.images([("IMAGE", sky, {})], fits.Header(), sigma=0.003))[1].data
    assert np.std(back - sky) < 0.05 * 0.003


def test_masks_name_their_bits_and_have_three_planes(root, bricks):
    name = bricks.brickname.iloc[0]
    header = plane(root, name, "maskbits", header=True)
    assert {header[f"MBIT_{bit}"]: bit for bit in range(17)} == schema.MASKBITS
    assert plane(root, name, "maskbits").dtype.kind == "i"
    assert plane(root, name, "maskbits", extension=2).dtype.itemsize == 1
    assert plane(root, name, "maskbits", extension=3).shape == plane(root, name, "maskbits").shape


def test_bits_of_a_row_are_those_of_its_pixel(root, bricks, sweep):
    seen = 0
    for brick in bricks.itertuples():
        mask = plane(root, brick.brickname, "maskbits")
        rows = sweep[(sweep["BRICKID"] == brick.brickid) & (sweep["TYPE"] != "PSF")]
        x, y = (
            np.round(c).astype(int)
            for c in geometry.to_pixel(brick.ra, brick.dec, brick.pixels, rows["RA"], rows["DEC"])
        )
        inside = (x >= 0) & (y >= 0) & (x < brick.pixels) & (y < brick.pixels)
        same = mask[y[inside], x[inside]] == rows["MASKBITS"][inside]
        assert same.mean() > 0.9  # positions have errors, masks have edges
        seen += inside.sum()
    assert seen > 50


def test_nothing_extended_is_catalogued_inside_the_mask_of_a_bright_star(sweep):
    bright = sweep["MASKBITS"] & 1 << schema.MASKBITS["BRIGHT"] > 0
    assert bright.any()
    assert set(sweep["TYPE"][bright].astype(str)) <= {"PSF", "DUP"}


# ---------------------------------------------------------------- geometry and conditions


@pytest.mark.parametrize(("ra", "dec", "n"), [(155.03, 5.02, 900), (150.5, 0.6, 301), (159.2, 9.4, 900)])
def test_positions_agree_with_astropy(ra, dec, n):
    x, y = np.random.default_rng(0).uniform(-50, n + 50, (2, 40))
    header = pixels._header(one_brick(ra=ra, dec=dec, pixels=n))
    ours = geometry.to_sky(ra, dec, n, x, y)
    np.testing.assert_allclose(ours, WCS(header).pixel_to_world_values(x, y), atol=1e-9)
    np.testing.assert_allclose(geometry.to_pixel(ra, dec, n, *ours), (x, y), atol=1e-6)


def test_the_deep_field_is_read_as_the_real_one_and_its_galaxies_have_arcs_sizes(root):
    found = read_cosmos(root / "sources")
    assert len(found) == stamps.COUNT
    radius = np.array([source["half_light_radius"] for source in found])
    assert ((radius > 0.12) & (radius < 0.45)).all()
    assert min(source["snr"] for source in found) > 20
    assert np.median([source["colours"]["gr"] for source in found]) == pytest.approx(0.2, abs=0.2)
    assert pd.read_csv(root / "sources" / "cosmos_catalog.csv")["BAND"].str.startswith("MOCK-").all()


def test_north_is_up_and_east_is_left(root, bricks):
    wcs = WCS(plane(root, bricks.brickname.iloc[0], "image", "r", header=True))
    ra, dec = wcs.pixel_to_world_values([100, 110], [100, 100])
    assert ra[1] < ra[0]
    assert wcs.pixel_to_world_values(100, 110)[1] > dec[0]


def test_paired_bricks_overlap_by_130_pixels_and_show_the_same_sky(root, bricks, truth):
    pair = bricks[bricks.side != ""]
    assert len(pair) == 2
    first, second = pair.iloc[0], pair.iloc[1]
    x, y = geometry.to_pixel(first.ra, first.dec, first.pixels, second.ra, second.dec)
    apart = max(abs(x - (first.pixels - 1) / 2), abs(y - (first.pixels - 1) / 2))
    assert first.pixels - apart == pytest.approx(130, abs=1)
    images = [plane(root, brick.brickname, "image", "r") for brick in (first, second)]
    bits = [plane(root, brick.brickname, "maskbits") >> schema.MASKBITS["NPRIMARY"] & 1 for brick in (first, second)]
    assert all(0.1 < bit.mean() < 0.4 for bit in bits)
    seen = 0
    for item in truth[truth.drawn & truth.brickid.isin(pair.brickid) & (truth.flux_r > 4)].itertuples():
        places = [geometry.to_pixel(brick.ra, brick.dec, brick.pixels, item.ra, item.dec) for brick in (first, second)]
        if all(10 < c < first.pixels - 11 for place in places for c in place):
            sums = [
                image[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7].sum() for image, (x, y) in zip(images, places)
            ]
            assert sums[0] == pytest.approx(sums[1], rel=0.35)
            seen += 1
    assert seen >= 1


@pytest.mark.parametrize("seed", [1, 7, 20261124])
def test_validation_and_test_hold_every_cell_of_the_grid(seed):
    sky, grid = config.Sky(), config.Grid(**GRID)
    cells = conditions.cells(sky, grid)
    assert len(cells) == 12
    table = conditions.assign(*_bricks(seed, sky, len(cells)), grid, seed)
    assert table.healpix_128.nunique() == 126
    assert table.brickname.is_unique
    for split in ("val", "test"):
        chosen = table[table.split == split]
        # The patches of a brick differ by up to 2 % from it: no object may fall out of the brick's cell.
        for factor in (0.98, 1.0, 1.02):
            psf, depth = (
                np.digitize(factor * chosen.psfsize_r, grid.psf_fwhm.edges),
                np.digitize(chosen.depth_r, grid.depth.edges),
            )
            assert len(set(zip(psf, depth)) & {(i, j) for i in range(1, 5) for j in range(1, 4)}) == 12
    assert set(table.split) == {"train", "val", "test"}
    assert (table.nobs_z <= 2).any()
    assert (table.nobs_z >= 11).any()


def test_a_grid_that_the_sky_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"validation and test must each have 12 pixels.* ask for more bricks"):
        mock.draw(settings(tmp_path / "sky", GRID, **TINY))
    off = TWO_CELLS | {"psf_fwhm": {"start": 2.5, "stop": 2.5, "step": 0.4}}
    with pytest.raises(ValueError, match=r"no cell of injections.grid lies in the sky's ranges"):
        mock.draw(settings(tmp_path / "sky", off, **TINY))


def test_a_split_without_one_of_the_cells_is_refused():
    grid = config.Grid(**TWO_CELLS)
    table = conditions.assign(*_bricks(7), grid, 7)
    with pytest.raises(ValueError, match=r"split 'val' .* has no brick in 1 of 2 cells"):
        conditions.check(table.assign(psfsize_r=1.1), conditions.cells(config.Sky(), grid), grid)


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match=r"'mine.txt', which is no part of a mock survey"):
        mock.draw(settings(tmp_path, **TINY))
    assert (tmp_path / "mine.txt").exists()


def test_real_survey_files_are_never_drawn_over(tmp_path):
    (tmp_path / "south").mkdir()
    with pytest.raises(ValueError, match="a mock is never drawn over them"):
        mock.draw(settings(tmp_path, **TINY))
    assert (tmp_path / "south").exists()


def test_a_run_file_that_does_not_say_mock_is_refused(tmp_path):
    real = settings(tmp_path, **TINY)
    real = real.model_copy(update={"survey": real.survey.model_copy(update={"mock": False})})
    with pytest.raises(ValueError, match=r"survey.mock is false"):
        mock.draw(real)


# ---------------------------------------------------------------- pixels are what the catalogue says


@pytest.fixture(scope="module")
def empty_sky(tmp_path_factory):
    """A wide brick without objects, and its planes."""
    root, brick = tmp_path_factory.mktemp("empty"), one_brick(pixels=900)
    result = pixels.draw(brick, [], str(root), 3)
    return root, brick, result


@pytest.mark.parametrize("band", BANDS)
def test_flux_of_a_point_source_scatters_as_the_stated_depth_says(empty_sky, band):
    root, brick, _ = empty_sky
    image = plane(root, brick["brickname"], "image", band).astype(float)
    psf = galsim.Moffat(beta=2.5, fwhm=conditions.moffat_fwhm(brick[f"psfsize_{band}"], 2.5))
    weight = psf.drawImage(nx=21, ny=21, scale=schema.PIXEL_SCALE, method="no_pixel").array.astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(image, (21, 21))[::11, ::11]
    flux = (windows * weight).sum((-1, -2)) / (weight**2).sum()
    stated = 1 / np.sqrt(conditions.depth_ivar(brick[f"depth_{band}"]))
    assert np.std(flux) == pytest.approx(stated, rel=0.05)


def test_inverse_variance_follows_the_white_noise_convention_of_the_survey(empty_sky):
    root, brick, _ = empty_sky
    for band in BANDS:
        depth = 10 ** (-0.4 * (brick[f"depth_{band}"] - 22.5)) / 5  # sigma of a point-source flux, nanomaggy
        sigma = schema.PIXEL_SCALE * depth / np.sqrt(4 * np.pi) * 2.3548 / brick[f"psfsize_{band}"]
        invvar = plane(root, brick["brickname"], "invvar", band)
        np.testing.assert_allclose(invvar, 1 / sigma**2, rtol=1e-5)
        image = plane(root, brick["brickname"], "image", band)
        assert 0.7 < 1.4826 * np.median(np.abs(image)) / sigma < 0.95  # the resampled pixels scatter less


def test_noise_is_correlated_as_in_the_coadds(empty_sky):
    root, brick, _ = empty_sky
    image = plane(root, brick["brickname"], "image", "r").astype(float)
    image /= image.std()
    lag = {
        (y, x): (image[y:, x:] * image[: image.shape[0] - y, : image.shape[1] - x]).mean()
        for y, x in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
    }
    assert lag[0, 1] == pytest.approx(0.19, abs=0.015)
    assert lag[1, 0] == pytest.approx(0.27, abs=0.015)
    assert 0.03 < lag[1, 1] < 0.08
    assert -0.13 < lag[0, 2] < -0.05
    assert -0.13 < lag[2, 0] < -0.05


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Four galaxies and a star, far apart, in one brick; its planes and sweep rows."""
    root, brick = tmp_path_factory.mktemp("field"), one_brick()
    light = {"flux_g": 12.0, "flux_r": 40.0, "flux_z": 75.0}
    rows = objects_at(
        brick,
        [
            {"x": 110.3, "y": 120.8, "type": "DEV", "n": 4.0, "r_e": 1.4, "q": 0.7, "pa": 30.0, **light},
            {"x": 120.6, "y": 450.2, "type": "SER", "n": 2.5, "r_e": 1.8, "q": 0.5, "pa": 100.0, **light},
            {"x": 470.5, "y": 130.5, "type": "EXP", "n": 1.0, "r_e": 2.0, "q": 0.4, "pa": 60.0, **light},
            {"x": 460.1, "y": 470.9, "type": "REX", "n": 1.0, "r_e": 0.6, **light},
            {
                "x": 300.4,
                "y": 300.7,
                "type": "PSF",
                "kind": "star",
                "n": 0.0,
                "r_e": 0.0,
                "gaia_g": 17.0,
                "flux_g": 100.0,
                "flux_r": 160.0,
                "flux_z": 200.0,
            },
        ],
    )
    result = pixels.draw(brick, rows.to_dict("records"), str(root), 5)
    return root, brick, rows, sweeps.rows(brick, rows, result["samples"], 5)


@pytest.mark.parametrize("band", BANDS)
def test_flux_of_isolated_objects_in_the_image_is_the_catalogued_one(field, band):
    root, brick, rows, table = field
    image = plane(root, brick["brickname"], "image", band).astype(float)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    light = pixels.model(brick, rows.to_dict("records"), pixels.psf_patches(brick, 5))[band]
    scatter = 1.4826 * np.median(np.abs(image - light))
    for row, listed in zip(rows.itertuples(), table):
        near = np.hypot(x - row.x, y - row.y) < 60
        assert light[near].sum() == pytest.approx(listed[f"FLUX_{band.upper()}"], rel=0.03)
        noise_of_sum = scatter * np.sqrt(2 * near.sum())  # pixels are correlated: twice the variance
        assert abs((image - light)[near].sum()) < 4 * noise_of_sum


@pytest.mark.parametrize("band", BANDS)
def test_noise_area_of_a_star_gives_the_stated_psfsize(field, band):
    root, brick, rows, table = field
    star = rows.iloc[-1]
    image = plane(root, brick["brickname"], "image", band).astype(float)
    stamp = image[int(star.y) - 40 : int(star.y) + 41, int(star.x) - 40 : int(star.x) + 41]
    area = stamp.sum() ** 2 / (stamp**2).sum() * schema.PIXEL_SCALE**2
    assert 2.3548 * np.sqrt(area / (4 * np.pi)) == pytest.approx(table[-1][f"PSFSIZE_{band.upper()}"], rel=0.03)


def test_core_of_a_star_has_the_width_of_the_moffat_with_that_noise_area():
    for beta, ratio in ((2.5, 0.720), (3.5, 0.811), (4.5, 0.858)):
        assert conditions.moffat_fwhm(1.3, beta) / 1.3 == pytest.approx(ratio, abs=0.001)


def test_objects_lie_where_the_catalogue_says(field):
    root, brick, _, table = field
    wcs = WCS(plane(root, brick["brickname"], "image", "r", header=True))
    image = plane(root, brick["brickname"], "image", "r").astype(float)
    offsets = []
    for row in table:
        x, y = (float(value) for value in wcs.world_to_pixel_values(row["RA"], row["DEC"]))
        j, i = round(x), round(y)
        box = np.clip(image[i - 8 : i + 9, j - 8 : j + 9], 0, None)
        yy, xx = np.mgrid[-8:9, -8:9]
        offsets.append(((box * xx).sum() / box.sum() + j - x, (box * yy).sum() / box.sum() + i - y))
    assert np.abs(offsets).max() < 0.4
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.12


def test_position_angle_is_east_of_north(field):
    root, brick, rows, table = field
    image = plane(root, brick["brickname"], "image", "r").astype(float)
    for k in (0, 1, 2):
        row = rows.iloc[k]
        y, x = np.mgrid[-20:21, -20:21]
        box = image[round(row.y) - 20 : round(row.y) + 21, round(row.x) - 20 : round(row.x) + 21]
        weight = box * np.exp(-(x**2 + y**2) / 120)
        north, east = y, -x
        angle = (
            0.5 * np.degrees(np.arctan2(2 * (weight * north * east).sum(), (weight * (north**2 - east**2)).sum())) % 180
        )
        assert angle == pytest.approx(row.pa, abs=8)
        listed = 0.5 * np.degrees(np.arctan2(table[k]["SHAPE_E2"], table[k]["SHAPE_E1"])) % 180
        assert listed == pytest.approx(row.pa, abs=5)


def test_depths_in_the_sweeps_are_inverse_variances_of_the_same_depth(field):
    _, brick, _, table = field
    for band in BANDS:
        magnitude = 22.5 - 2.5 * np.log10(5 / np.sqrt(table[f"PSFDEPTH_{band.upper()}"]))
        np.testing.assert_allclose(magnitude, brick[f"depth_{band}"], atol=0.04)
        assert (table[f"GALDEPTH_{band.upper()}"] < table[f"PSFDEPTH_{band.upper()}"]).all()


def test_bright_stars_mask_saturate_and_bleed(tmp_path):
    brick = one_brick(pixels=400)
    star = {"type": "PSF", "kind": "star", "n": 0.0, "r_e": 0.0, "flux_g": 2e4, "flux_r": 2e4, "flux_z": 2e4}
    rows = objects_at(
        brick, [star | {"x": 200.0, "y": 200.0, "gaia_g": 12.0}, star | {"x": 60.0, "y": 60.0, "gaia_g": 15.0}]
    )
    pixels.draw(brick, rows.to_dict("records"), str(tmp_path), 5)
    mask = plane(tmp_path, brick["brickname"], "maskbits")
    bit = lambda name: mask >> schema.MASKBITS[name] & 1  # noqa: E731
    radius = float(stars.mask_radius(12.0)) / schema.PIXEL_SCALE
    assert bit("MEDIUM")[200, 200 + int(radius) - 2] == 1
    assert bit("BRIGHT")[200, 200 + int(radius / 2) - 2] == 1
    assert bit("BRIGHT")[200, 200 + int(radius / 2) + 3] == 0
    assert bit("BRIGHT")[60, 60] == 0
    assert bit("MEDIUM")[60, 60] == 1
    for band in BANDS:
        saturated = bit(f"SATUR_{band.upper()}")
        assert saturated[200, 200] == 1
        assert saturated[225, 200] == 1  # the trail
        assert saturated[200, 225] == 0
        assert (plane(tmp_path, brick["brickname"], "invvar", band)[saturated == 1] == 0).all()
    assert plane(tmp_path, brick["brickname"], "maskbits", extension=2)[200, 200] & 1


# ---------------------------------------------------------------- lenses


def _point(x, y, source):
    return np.exp(-0.5 * (x**2 + y**2) / source["r_e"] ** 2)


@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_magnification_of_a_round_isothermal_lens_is_two_over_the_offset(fraction):
    lens = {"theta_e": 1.5, "q": 1.0, "phi": 0.0, "gamma1": 0.0, "gamma2": 0.0}
    source = {"x": 1.5 * fraction * 0.6, "y": 1.5 * fraction * 0.8, "r_e": 0.03}
    image, magnification = raytracing.lensed(lens, source, 4.0, grid=0.008, light=_point)
    assert magnification == pytest.approx(2 / fraction, rel=0.01)
    assert image.sum() == pytest.approx(magnification)


def test_far_from_a_lens_light_is_neither_made_nor_lost():
    lens = {"theta_e": 1e-9, "q": 0.8, "phi": 0.3, "gamma1": 0.0, "gamma2": 0.0}
    source = {"x": 0.1, "y": -0.2, "r_e": 0.4, "n": 1.0, "q": 0.7, "phi": 0.5, "arms": 0.5, "knots": 4, "knot_seed": 9}
    assert raytracing.lensed(lens, source, 4.0)[1] == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("q", [0.5, 0.8, 1.0])
def test_divergence_of_the_deflection_is_twice_the_convergence(q):
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.4, 2.0, (2, 50)) * rng.choice([-1, 1], (2, 50))
    phi, step = 0.7, 1e-4
    alpha = lambda x, y: np.array(raytracing.deflection(x, y, 1.2, q, phi, 0.0, 0.0))  # noqa: E731
    by_x, by_y = ((alpha(x + dx, y + dy) - alpha(x - dx, y - dy)) / (2 * step) for dx, dy in ((step, 0), (0, step)))
    u, v = x * np.cos(phi) + y * np.sin(phi), -x * np.sin(phi) + y * np.cos(phi)
    kappa = 1.2 / (2 * np.sqrt(q * u**2 + v**2 / q))
    np.testing.assert_allclose(by_x[0] + by_y[1], 2 * kappa, rtol=1e-5)
    np.testing.assert_allclose(by_x[1], by_y[0], atol=1e-5)


def test_lensed_light_in_the_image_has_the_flux_of_the_truth():
    sky = config.Sky(bricks=8, brick_pixels=300, galaxies_per_brick=8, lenses=4, overlapping_pairs=0)
    table = conditions.assign(*_bricks(7, sky), config.Grid(**TWO_CELLS), 7)
    lens = population.populate(table, sky, 4, 7).query("kind == 'lens'").iloc[0].to_dict()
    brick = table[table.brickid == lens["brickid"]].iloc[0].to_dict()
    sizes = pixels.psf_patches(brick, 7)
    bare = lens | {f"lensed_flux_{band}": 0.0 for band in BANDS}
    lens, bare = (row | {"x": 150.0, "y": 150.0} for row in (lens, bare))
    with_arcs, without = pixels.model(brick, [lens], sizes), pixels.model(brick, [bare], sizes)
    for band in BANDS:
        flux = (with_arcs[band] - without[band]).sum()
        assert flux == pytest.approx(lens[f"lensed_flux_{band}"], rel=0.01)
        unlensed = 22.5 - 2.5 * np.log10(lens[f"lensed_flux_{band}"] / lens["magnification"])
        extinction = conditions.EXTINCTION[band] * brick["ebv"]
        assert unlensed - extinction == pytest.approx(lens[f"source_mag_{band}"], abs=0.01)


# ---------------------------------------------------------------- the sample that can be drawn from it


@pytest.fixture(scope="module")
def catalogue():
    """Truth and sweep rows of the default sky's galaxies, without their pixels."""
    sky, grid, seed = config.Sky(), config.Grid(**GRID), 11
    table = conditions.assign(*_bricks(seed, sky, 12), grid, seed)
    truth = population.populate(table, sky, sky.lenses, seed)
    parts = []
    for brick in table.to_dict("records"):
        own = truth[truth.brickid == brick["brickid"]]
        star = own[own.kind == "star"]
        x, y = (np.clip(np.round(own[name]).astype(int), 0, brick["pixels"] - 1) for name in ("x", "y"))
        samples = {
            "maskbits": stars.star_mask(brick["pixels"], star.x, star.y, star.gaia_g)[y, x],
            "wisemask_w1": 0,
            "wisemask_w2": 0,
        }
        for band in BANDS:
            sigma = conditions.pixel_sigma(conditions.depth_ivar(brick[f"depth_{band}"]), brick[f"psfsize_{band}"])
            values = {
                "nobs": brick[f"nobs_{band}"],
                "psfsize": brick[f"psfsize_{band}"],
                "invvar": sigma**-2,
                "allmask": 0,
            }
            samples |= {f"{name}_{band}": np.full(len(own), value) for name, value in values.items()}
        parts.append(sweeps.rows(brick, own, samples, seed))
    rows = np.concatenate(parts)
    raw = pd.DataFrame({name: rows[name] for name in rows.dtype.names if rows[name].ndim == 1})
    for name in ("TYPE", "BRICKNAME", "REF_CAT"):
        raw[name] = raw[name].str.decode("ascii").str.strip()
    galaxies, _ = import_galaxies(raw, "sweep-150p000-155p005.fits")
    return truth, table, galaxies


def test_every_confuser_class_is_reached(catalogue):
    _, _, galaxies = catalogue
    bits = confusers.classify(galaxies)
    bright = ((galaxies.mag_z < 20) & galaxies.type.isin(["SER", "DEV", "REX"])).to_numpy()
    for number, name in enumerate(schema.CONFUSERS):
        assert (bits >> number & 1).sum() >= 60, name
    assert 0.2 < (bits[bright] > 0).mean() < 0.6  # enough for 15 % of the negatives, and most are ordinary


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("edge_on", "edge_on"),
        ("spiral", "face_on_disk"),
        ("ring", "face_on_disk"),
        ("clumpy", "blue_clumpy"),
        ("blend", "blend_merger"),
        ("merger", "blend_merger"),
        ("core_companion", "bright_core_companion"),
        ("ring", "residual_structure"),
    ],
)
def test_each_kind_that_is_drawn_falls_in_its_class(catalogue, kind, name):
    truth, _, galaxies = catalogue
    bits = confusers.classify(galaxies)
    key = galaxies.brickid.to_numpy(np.int64) << 22 | galaxies.objid.to_numpy(np.int64)
    drawn = truth[truth.kind == kind]
    of_kind = np.isin(key, drawn.brickid.to_numpy(np.int64) << 22 | drawn.objid.to_numpy(np.int64))
    assert of_kind.sum() > 50
    in_class = bits[of_kind] >> schema.CONFUSERS.index(name) & 1
    assert in_class.mean() > 0.5


def test_every_stratum_has_a_hundred_negatives_to_a_known_lens(catalogue):
    truth, table, galaxies = catalogue
    key = galaxies.brickid.to_numpy(np.int64) << 22 | galaxies.objid.to_numpy(np.int64)
    known = truth[(truth.kind == "lens") & truth.known]
    assert 58 <= len(known) <= 62
    assert known.type.isin(["SER", "DEV", "REX"]).all()
    is_lens = np.isin(key, known.brickid.to_numpy(np.int64) << 22 | known.objid.to_numpy(np.int64))
    low, _, name = (np.array(column) for column in zip(*schema.NOBS_BINS))
    nobs_bin = name[np.clip(np.searchsorted(low, galaxies.nobs_z, side="right") - 1, 0, None)]
    usable = (
        galaxies.type.isin(["SER", "DEV", "REX"])
        & (galaxies.mag_z < 20)
        & (galaxies[["nobs_g", "nobs_r", "nobs_z"]] >= 3).all(axis=1)
    )
    counts = pd.DataFrame(
        {"bin": nobs_bin, "type": galaxies.type.to_numpy(), "lens": is_lens, "negative": usable.to_numpy() & ~is_lens}
    )
    strata = counts.groupby(["bin", "type"])[["lens", "negative"]].sum().query("lens > 0")
    assert len(strata) == 6
    assert (strata.negative >= 100 * strata.lens).all(), strata
    splits = table.set_index("brickid").split.loc[known.brickid]
    assert splits.value_counts().reindex(["train", "val", "test"]).ge(5).all()


def test_nothing_but_lenses_lies_within_the_exclusion_radius_of_most_lenses(catalogue):
    truth, _, _ = catalogue
    main = truth[truth.kind.isin(["early", "compact", "disc"])]
    lonely = 0
    lenses = truth[truth.kind == "lens"]
    for lens in lenses.itertuples():
        own = main[main.brickid == lens.brickid]
        lonely += np.hypot(own.x - lens.x, own.y - lens.y).min() * schema.PIXEL_SCALE > 11
    assert lonely > 0.9 * len(lenses)


# ---------------------------------------------------------------- other truths


def lens_rows(**changes):
    population = config.LensPopulation(**changes)
    return pd.DataFrame(
        [lenses.parameters(index, ("SER", "DEV", "REX")[index % 3], 11, population) for index in range(60)]
    )


def test_another_population_changes_what_it_says_and_nothing_else():
    plain = lens_rows()
    for changes, moved in (
        ({"hosts": "blue"}, {"mag_g", "mag_r", "mag_z", "mag_w1", "r_e", "z_lens", "z_source"}),
        (
            {"sources": "smooth"},
            {"source_arms", "source_knots", "magnification", "source_mag_g", "source_mag_r", "source_mag_z"},
        ),
        ({"lensed_colour_gr": 0.5}, {"lensed_mag_g", "source_mag_g"}),
    ):
        other = lens_rows(**changes)
        differ = {name for name in plain if not plain[name].equals(other[name])}
        assert differ == moved, changes


def test_hosts_of_another_population_have_its_colours():
    colour = {
        name: (rows["mag_g"] - rows["mag_r"]).median()
        for name, rows in ((name, lens_rows(hosts=name)) for name in ("massive", "ordinary", "blue"))
    }
    assert colour["massive"] > colour["ordinary"] + 0.05 > colour["blue"] + 0.4


def test_sources_lie_where_they_are_asked_to():
    rows = lens_rows(offsets=(0.3, 0.6), lensed_mag_r=(21.0, 22.0), sources="compact")
    offset = np.hypot(rows["source_x"], rows["source_y"]) / rows["lens_theta_e"]
    assert offset.between(0.3, 0.6).all()
    assert rows["lensed_mag_r"].between(21, 22).all()
    assert rows["source_r_e"].max() < 0.4 * 0.38 + 1e-9


def test_without_arcs_the_galaxies_and_the_noise_stay(tmp_path):
    sky = TINY | {"lenses": 6}
    for name, arcs in (("with", True), ("without", False)):
        mock.draw(settings(tmp_path / name, **sky, lens_population={"arcs": arcs}), workers=2)
    truth = [pd.read_parquet(tmp_path / name / "truth" / "truth.parquet") for name in ("with", "without")]
    held = [table[table["kind"] == "lens"] for table in truth]
    np.testing.assert_array_equal(held[0]["flux_r"], held[1]["flux_r"])
    assert (held[0]["lensed_flux_r"] > 0).all()
    assert (held[1]["lensed_flux_r"] == 0).all()
    lens = held[0].iloc[0]
    place = f"south/coadd/{lens['brickname'][:3]}/{lens['brickname']}/legacysurvey-{lens['brickname']}-image-r.fits.fz"
    images = [fits.getdata(tmp_path / name / place) for name in ("with", "without")]
    y, x = np.mgrid[: images[0].shape[0], : images[0].shape[1]]
    left = images[0] - images[1]
    away = np.ones(left.shape, bool)
    for other in held[0][held[0]["brickname"] == lens["brickname"]].itertuples():
        away &= np.hypot(x - other.x, y - other.y) > 60
    assert np.abs(left[away & np.isfinite(left)]).max() < 1e-3  # quantised alike, far from the arcs
    near = np.hypot(x - lens["x"], y - lens["y"]) < 30
    assert left[near].sum() == pytest.approx(lens["lensed_flux_r"], rel=0.1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"offsets": (0.5, 0.2)}, "lower end first"),
        ({"offsets": (0.5, 1.2)}, "numbers from 0 to 1"),
        ({"lensed_mag_r": (22.0, 20.0)}, "lower end first"),
        ({"hosts": "green"}, "massive"),
    ],
)
def test_a_population_that_cannot_be_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        config.LensPopulation(**changes)
