"""Releases and regions of the survey are read as they are declared, and what is of another is refused by name."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from release_skies import drawn, imported, plain, reading, rewritten

from lenscal import config, keys, objects, schema
from lenscal.completeness import conditions
from lenscal.io import sweeps
from lenscal.io.randoms import read_randoms
from lenscal.io.survey import BrickFiles, PixelError, read_blobs

pytest.importorskip("galsim")

NORTH, SOUTH = schema.release("dr11", "north"), schema.release("dr11", "south")


@pytest.fixture(scope="module")
def north(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("north") / "survey", "dr11", "north")


@pytest.fixture(scope="module")
def south(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("south") / "survey", "dr11", "south")


def root_of(settings):
    return config.settings._folder(settings.survey.root)


def sweeps_of(settings):
    return sweeps.sweep_files(settings.survey.root, region=settings.survey.region)


# ---------------------------------------------------------------- what is declared


@pytest.mark.parametrize("key", list(schema.releases()))
def test_what_is_declared_of_a_release_agrees_with_itself(key):
    release = schema.releases()[key]
    assert release.layer == f"ls-{release.name}-{release.region}"
    assert release.sweeps.startswith(f"{release.region}/sweep/{release.name.removeprefix('dr')}.")
    assert {code // 1000 for code in (*release.codes, *release.drawn)} <= {release.family}
    assert (release.reference["stars"][0], release.reference["large_galaxies"][0]) == ("G", "L")
    assert list(release.maskbits.values()) == list(range(len(release.maskbits)))
    assert release.bits_problem(np.dtype(release.maskbits_dtype)) is None
    assert all(schema.release_of_code(code) == release for code in release.codes)


def test_bits_of_the_releases_are_those_of_their_documentation():
    new = {"RESOLVED": 17, "MCLOUDS": 18, "WISE_GAIA": 19}
    assert dict(SOUTH.maskbits) == {**schema.MASKBITS, **new}
    assert max(schema.release("dr9", "north").maskbits.values()) == 15
    assert schema.MASKBITS["SUB_BLOB"] == 16


# ---------------------------------------------------------------- read through the readers of a run


@pytest.mark.parametrize("name", ["north", "south"])
def test_a_region_of_dr11_is_imported_and_its_bricks_and_pixels_are_read(name, request):
    settings = request.getfixturevalue(name)
    run, release = reading(settings), settings.survey.release
    gates, ledgers, _ = imported(run)
    assert ledgers["galaxies"].rows_out > 100
    failed = [gate.id for gate in gates if gate.verdict == "FAIL" and gate.id in ("objects.bricks", "objects.files")]
    assert failed == []
    assert run.settings.survey.layer == release.layer
    assert any("bricks with image and invvar" in line for line in run.survey.check())
    rows = sweeps.read_sweep(sweeps_of(settings)[0]).iloc[:6]
    rows = pd.DataFrame(
        {"galaxy_id": range(6), "ra": rows["RA"], "dec": rows["DEC"], "brickname": rows["BRICKNAME"].astype(str)}
    )
    read = run.survey.read(rows, 21)
    assert (read["failure"].values == "").all()
    assert np.isfinite(read["image"].values).mean() > 0.9
    assert read["cutout_url"].values[0].startswith(f"{release.region}/coadd/")


def test_the_key_of_a_galaxy_is_the_ls_id_of_dr11(south):
    raw = sweeps.read_sweep(sweeps_of(south)[0])
    table, _ = objects.galaxies(raw, "a.fits")
    whole = raw.set_index(["BRICKID", "OBJID"]).sort_index()
    for row in table.iloc[:20].itertuples():
        release = int(np.ravel(whole.loc[(row.brickid, row.objid), "RELEASE"])[0])
        assert (
            row.galaxy_id == release << 42 | row.brickid << 22 | row.objid == keys.pack(row.objid, row.brickid, release)
        )


@pytest.mark.parametrize("name", ["north", "south"])
def test_random_points_of_the_release_stand_for_an_area_with_the_conditions_of_its_bricks(name, request):
    settings = request.getfixturevalue(name)
    path, release = root_of(settings) / "randoms" / "randoms-1-0.fits", settings.survey.release
    points = conditions.of_randoms(read_randoms([path], release=release))
    bricks = conditions.of_bricks(reading(settings).survey.bricks())
    assert points["area"].sum() == pytest.approx(len(fits.getdata(path)) / 2500)
    observed = points["psfdepth_r"].dropna().to_numpy()
    assert observed.size
    assert np.abs(observed[:, None] - bricks["psfdepth_r"].to_numpy()).min(axis=1).max() < 0.002


def test_points_of_the_other_region_are_left_out(north, south, tmp_path):
    path = root_of(north) / "randoms" / "randoms-1-0.fits"
    letters = np.where(np.arange(len(fits.getdata(path))) % 3, "N", "S").astype("S1")
    both = rewritten(path, {"PHOTSYS": letters}, tmp_path / "both.fits")
    parts = {one.region: pd.concat(read_randoms([both], release=one)) for one in (NORTH, SOUTH)}
    assert len(parts["north"]) == (letters == b"N").sum()
    assert len(parts["south"]) == (letters == b"S").sum()
    assert len(pd.concat(read_randoms([both]))) == letters.size


def test_the_north_of_dr9_comes_through_the_same_door(north, tmp_path):
    root = tmp_path / "survey"
    shutil.copytree(root_of(north), root, ignore=shutil.ignore_patterns("sha256sums.txt"))
    for path in sweeps_of(north):
        rows = len(fits.getdata(path))
        place = root / "north/sweep/9.0" / path.name
        codes, bits = np.full(rows, 9011, "i2"), np.asarray(fits.getdata(path)["MASKBITS"] & 0x3FFF, "i2")
        rewritten(path, {"RELEASE": codes, "MASKBITS": bits}, place, FLUX_R="nanomaggy", FLUX_IVAR_R="1/nanomaggy^2")
    shutil.rmtree(root / "north/sweep/11.0")
    summary = root / "north/survey-bricks-dr11-north.fits.gz"
    summary.rename(summary.with_name("survey-bricks-dr9-north.fits.gz"))
    run = reading(north, layout="dr9", root=str(root))
    run = type(run)(run.settings.model_copy(update={"stores": tmp_path / "stores"}))
    _, ledgers, _ = imported(run)
    assert ledgers["galaxies"].rows_out > 100
    assert run.settings.survey.layer == "ls-dr9-north"
    assert "psfdepth_r" in run.survey.bricks()


def blob_map(folder, name, extension, release):
    place = folder / release.blobs["file"].format(region=release.region, AAA=name[:3], brick=name)
    place.parent.mkdir(parents=True, exist_ok=True)
    values = np.where(np.hypot(*(np.indices((60, 60)) - 30)) < 9, 4, -1).astype("i4")
    planes = [fits.PrimaryHDU(values)]
    if extension:
        planes = [fits.PrimaryHDU(), fits.CompImageHDU(values, name="BLOB-MAP", compression_type="HCOMPRESS_1")]
    fits.HDUList(planes).writeto(place, overwrite=True)
    return place, values


def test_blob_maps_are_read_from_the_extension_that_the_release_has_them_in(tmp_path):
    for release in schema.releases().values():
        _, values = blob_map(tmp_path, "1500p340", release.blobs["extension"], release)
        read = read_blobs(tmp_path, "1500p340", release)
        np.testing.assert_array_equal(read, values)
        assert read.dtype == np.int32
    path, _ = blob_map(tmp_path, "1500p340", 0, NORTH)
    with pytest.raises(PixelError, match=r"has no map in extension 1, where DR11 has it, but in \[0\]"):
        read_blobs(tmp_path, "1500p340", NORTH)
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(PixelError, match=r"blobs-1500p340\.fits\.gz' cannot be read; copy it again"):
        read_blobs(tmp_path, "1500p340", NORTH)
    with pytest.raises(PixelError, match=r"north/metrics/150/blobs-1501p340\.fits\.gz' is missing"):
        read_blobs(tmp_path, "1501p340", NORTH)


# ---------------------------------------------------------------- refused by name

UNFIT = {
    "no region": (
        {"survey": {"layout": "dr11"}},
        "layout 'dr11' has two regions and region is not given; say south or north",
    ),
    "a north that is none": (
        {"survey": {"layout": "dr10", "region": "north"}},
        "there is no north of dr10; expected one of: dr9",
    ),
    "layer of the other": (
        {"survey": {"layout": "dr11", "region": "south", "layer": "ls-dr11-north"}},
        "layer 'ls-dr11-north' is the north of DR11, and layout and region say the south of DR11",
    ),
    "layer of a later release": (
        {"survey": {"layer": "ls-dr11-south"}},
        "is the south of DR11, and layout and region say the south of DR10",
    ),
    "i of the north": (
        {"detector": {"bands": ["g", "i"]}},
        r"asks for i, and the north of DR11 \(BASS and MzLS\) was observed in g, r, z",
    ),
    "no galaxy left": ({"manifest": {}}, "dec_range_degree ends at 32, and the north of DR11 begins at 32.375"),
    "another sky": (
        {"sky": {"release": "dr11", "region": "south"}},
        "sky draws the south of DR11, and survey reads the north of DR11",
    ),
    "bits beyond": (
        {"survey": {"layout": "dr9", "region": "north"}, "quality": {"area_bits": ["SUB_BLOB"]}},
        r"quality.area_bits names SUB_BLOB, and MASKBITS of DR9 \(int16\) end at bit 15",
    ),
    "bits of a later release": (
        {"survey": {"layout": "dr10", "region": "south"}, "quality": {"centre_bits": ["RESOLVED"]}},
        r"quality.centre_bits names RESOLVED, and MASKBITS of DR10 \(int32\) end at bit 16",
    ),
    "no such bit": ({"quality": {"area_bits": ["MBIT"]}}, "'MBIT' is no MASKBITS name; known: .*WISE_GAIA"),
    "a sky that was not released": ({"sky": {"region": "north"}}, "there is no north of dr10"),
    "itself beside itself": ({"survey": {"also": ["dr11"]}}, "also names dr11, which is the layout itself"),
    "a region of stamps": ({"survey": {"layout": "stamps", "region": "south"}}, "stamps are of no region"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_run_file_that_asks_for_what_a_region_has_not_is_refused(tmp_path, case):
    changes, sentence = UNFIT[case]
    values = plain(tmp_path / "sky")
    config.Settings.model_validate(values)
    if "survey" in changes and "also" not in changes["survey"]:
        values["survey"], values["sky"] = {"root": str(tmp_path)}, None
    for key, change in changes.items():
        values[key] = (values.get(key) or {}) | change if key in ("survey", "sky", "detector") else change
    if case == "a sky that was not released":
        values["sky"]["release"] = "dr10"
    with pytest.raises(ValueError, match=sentence):
        config.Settings.model_validate(values)


def test_i_asked_of_a_north_file_is_said_to_be_no_band_of_it(north, south):
    assert len(sweeps.read_sweep(sweeps_of(south)[0], ["RA", "FLUX_I"]))
    with pytest.raises(
        sweeps.SweepError, match=r"lacks 1 column\(s\): FLUX_I \(DR11 has regions without a band, as this"
    ):
        sweeps.read_sweep(sweeps_of(north)[0], ["RA", "FLUX_I"])


def test_bits_read_from_sixteen_are_refused_where_the_release_has_more(south, tmp_path):
    path = sweeps_of(south)[0]
    bits = np.asarray(fits.getdata(path)["MASKBITS"], "i2")
    cut = rewritten(path, {"MASKBITS": bits}, tmp_path / "a.fits")
    with pytest.raises(
        sweeps.SweepError, match=r"MASKBITS is int16, and DR11 has bits beyond \(16 SUB_BLOB, 17 RESOLVED, 18"
    ):
        sweeps.read_sweep(cut)
    old = rewritten(path, {"MASKBITS": bits, "RELEASE": np.full(bits.size, 9010, "i2")}, tmp_path / "b.fits")
    assert len(sweeps.read_sweep(old)) == bits.size


def test_a_mask_of_sixteen_bits_is_refused_where_the_release_has_more(south, tmp_path):
    folder = next((root_of(south) / "south" / "coadd").glob("*/*"))
    shutil.copytree(folder, tmp_path / "brick")
    name = folder.name
    path = tmp_path / "brick" / f"legacysurvey-{name}-maskbits.fits.fz"
    centre = fits.getheader(path, 1)["CRVAL1"], fits.getheader(path, 1)["CRVAL2"]
    place = np.array([centre[0]]), np.array([centre[1]])
    assert BrickFiles(tmp_path / "brick", name).read(*place, 21)["mask"].dtype == np.int32
    with fits.open(path) as hdus:
        narrow = fits.CompImageHDU(hdus[1].data.astype("i2"), hdus[1].header, tile_shape=(100, 100))
        fits.HDUList([fits.PrimaryHDU(), narrow]).writeto(path, overwrite=True)
    with pytest.raises(PixelError, match="MASKBITS is int16, and DR11 has bits beyond"):
        BrickFiles(tmp_path / "brick", name).read(*place, 21)


def test_a_column_with_a_known_fault_is_refused_and_its_sister_is_read(south, tmp_path):
    path = sweeps_of(south)[0]
    area = np.ones(len(fits.getdata(path)), "f4")
    wide = rewritten(path, {"BLOB_NEA_I": area, "NEA_I": area}, tmp_path / "a.fits")
    assert sweeps.read_sweep(wide, ["NEA_I"])["NEA_I"].sum() == area.size
    with pytest.raises(
        sweeps.SweepError, match=r"BLOB_NEA_I of DR11 has a known fault \(it was averaged with the weights of g"
    ):
        sweeps.read_sweep(wide, ["NEA_I", "BLOB_NEA_I"])
    older = rewritten(wide, {"RELEASE": np.full(area.size, 10000, "i2")}, tmp_path / "b.fits")
    assert len(sweeps.read_sweep(older, ["BLOB_NEA_I"])) == area.size


def test_sweeps_are_those_of_the_region_and_those_of_the_other_are_no_stand_in(north, south, tmp_path):
    for settings, region in ((north, "north"), (south, "south")):
        shutil.copytree(root_of(settings) / region / "sweep", tmp_path / region / "sweep")
        assert all(f"/{region}/sweep/11.0/" in str(path) for path in sweeps.sweep_files(tmp_path, region=region))
    shutil.rmtree(tmp_path / "south")
    with pytest.raises(
        sweeps.SweepError, match=r"no sweep file of the south below .*expected south/sweep/<version>/sweep-<corner>"
    ):
        sweeps.sweep_files(tmp_path, region="south")


def test_rows_of_another_release_are_refused_unless_the_run_names_it(south, tmp_path):
    first = sweeps_of(south)[0]
    root = tmp_path / "survey"
    shutil.copytree(root_of(south), root, ignore=shutil.ignore_patterns("sha256sums.txt"))
    place = root / "south/sweep/11.0" / first.name
    codes = np.asarray(fits.getdata(first)["RELEASE"], "i2").copy()
    codes[-1] = 10000
    rewritten(first, {"RELEASE": codes}, place)
    with pytest.raises(
        objects.ObjectsError,
        match=(
            rf"'{re.escape(first.name)}' holds rows of DR10 \(RELEASE 10000\), and the run reads DR11; "
            r".*survey\.also: \[dr10\]"
        ),
    ):
        imported(reading(south, root=str(root)))
    assert imported(reading(south, root=str(root), also=["dr10"]))[1]["galaxies"].rows_out > 100


def test_a_layout_that_stands_for_two_releases_takes_one_of_them_at_a_time():
    survey = config.Survey(root="x")
    objects.check_all({"a.fits": {9010}, "b.fits": {9012}}, survey)
    objects.check_all({"a.fits": {10000}, "b.fits": {10002, 7}}, survey)
    with pytest.raises(
        objects.ObjectsError, match=r"DR9 in 'a.fits' \(RELEASE 9010\); DR10 in 'b.fits' \(RELEASE 10000\)"
    ):
        objects.check_all({"a.fits": {9010}, "b.fits": {10000}}, survey)
    objects.check_all({"a.fits": {9010}, "b.fits": {10000}}, config.Survey(root="x", also=["dr9"]))


@pytest.mark.parametrize(
    ("survey", "codes", "bands", "sentence"),
    [
        ({"layout": "dr9", "region": "north"}, {9010}, "GRZ", "holds rows of the south of DR9"),
        ({"layout": "dr11", "region": "north"}, {11010}, "GRZ", "holds rows of the south of DR11"),
        (
            {"layout": "dr11", "region": "south"},
            {11011},
            "GRZ",
            r"fluxes in g, r, z, and the south of DR11 \(DECam\) has g, r, i, z",
        ),
        ({"layout": "dr11", "region": "north"}, {11011}, "GRIZ", r"has fluxes in g, r, i, z, and the north of DR11"),
    ],
)
def test_a_sweep_of_the_other_region_is_told_by_its_codes_or_its_bands(survey, codes, bands, sentence):
    columns = [f"FLUX_{band}" for band in bands]
    with pytest.raises(objects.ObjectsError, match=f"'a.fits' {sentence}|'a.fits' has {sentence}"):
        objects.check_file(codes, columns, "a.fits", config.Survey(root="x", **survey))


def test_random_points_of_the_other_region_or_release_are_refused(north, tmp_path):
    path = root_of(north) / "randoms" / "randoms-1-0.fits"
    with pytest.raises(
        sweeps.SweepError, match=r"holds no point of the south of DR11 \(PHOTSYS 'S'\): it is of the other region"
    ):
        conditions.of_randoms(read_randoms([path], release=SOUTH))
    old = rewritten(path, {"RELEASE": np.full(len(fits.getdata(path)), 10000, "i2")}, tmp_path / "old.fits")
    with pytest.raises(sweeps.SweepError, match=r"holds points of DR10 \(RELEASE 10000\), and the run reads DR11"):
        conditions.of_randoms(read_randoms([old], release=NORTH))


def test_a_run_file_that_gives_neither_region_nor_others_has_the_address_it_had_before_there_were_any():
    assert "region" not in config.Survey(root="x").content()
    told = config.Survey(root="x", layout="dr11", region="north", also=["dr10"]).content()
    assert (told["region"], told["also"], told["layer"]) == ("north", ["dr10"], "ls-dr11-north")
