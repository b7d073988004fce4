"""South and north of a release are read as one sky, on which a galaxy that both have is one galaxy."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from release_skies import drawn, imported, reading, rewritten
from viewer import serving

from lenscal import config, objects, schema
from lenscal.audit import published
from lenscal.completeness import conditions
from lenscal.io import checksums, sweeps
from lenscal.io.randoms import heads, read_randoms
from lenscal.io.survey import BothRegions, FetchedCoadds, PixelError, SurveyError

pytest.importorskip("galsim")

BOTH = schema.release("dr11", "both")
BORDER = 32.375


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("both") / "survey", "dr11", "both")


@pytest.fixture(scope="module")
def root(settings):
    return config.settings._folder(settings.survey.root)


@pytest.fixture(scope="module")
def done(settings):
    """The run, and gates, ledgers and survey objects of its stage objects."""
    run = reading(settings)
    gates, ledgers, _ = imported(run)
    return run, {gate.id: gate for gate in gates}, ledgers, whole(run)


def whole(run):
    columns = ["galaxy_id", "ra", "dec", "brickid", "objid", "release", "sweep_file"]
    return pd.concat([run.galaxies.read(leaf, columns) for leaf in run.galaxies.leaves], ignore_index=True)


def copied(root, to, *left_out):
    shutil.copytree(root, to, ignore=shutil.ignore_patterns("sha256sums.txt", *left_out))
    return to


def altered(settings, root, tmp_path, region, change):
    """A run of a copy of the sky, one sweep of which is rewritten with the columns that `change` gives of it."""
    place = copied(root, tmp_path / "survey")
    path = sorted((place / region / "sweep/11.0").iterdir())[0]
    with fits.open(path) as hdus:
        table = {name: np.asarray(hdus[1].data[name]) for name in hdus[1].data.names}
    rewritten(path, change(table))
    return reading(settings, root=str(place)), path.name


# ---------------------------------------------------------------- whose is a place


def test_the_north_begins_at_its_declination_and_the_plane_of_the_galaxy_and_all_else_is_south():
    ra = np.array([150.0, 150.0, 150.0, 30.0, 330.0, 150.0, np.nan, 286.0, 283.0])
    dec = np.array([BORDER, BORDER - 1e-9, 80.0, 40.0, 40.0, -20.0, 40.0, 40.0, 40.0])
    expected = ["north", "south", "north", "south", "south", "south", "south", "north", "north"]
    assert BOTH.region_at(ra, dec).tolist() == expected
    assert set(schema.release("dr11", "south").region_at(ra, dec)) == {"south"}


def test_north_of_the_plane_is_as_astropy_has_it():
    from astropy.coordinates import SkyCoord

    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    height = SkyCoord(ra, dec, unit="deg").galactic.b.deg
    clear = np.abs(height) > 0.001
    north = (dec >= BORDER) & (height > 0)
    np.testing.assert_array_equal(BOTH.region_at(ra, dec)[clear] == "north", north[clear])


def test_both_have_the_bands_that_each_has_and_the_codes_of_either():
    assert (BOTH.bands, BOTH.layer, BOTH.words) == ("grz", "ls-dr11", "the south and the north of DR11")
    assert [part.region for part in BOTH.regions] == ["south", "north"]
    assert schema.release("dr9", "both").codes == (9010, 9012, 9011)
    with pytest.raises(ValueError, match="there is no north of dr10"):
        schema.release("dr10", "both")


# ---------------------------------------------------------------- sweeps


def test_sweeps_of_both_are_listed_and_those_of_one_name_are_told_apart(root):
    files = sweeps.sweep_files(root, region="both")
    names, labels = [sweeps.name_of(path) for path in files], [sweeps.label_of(path, "both") for path in files]
    assert len(set(names)) < len(files) == len(set(labels))
    assert {label.split("-")[0] for label in labels} == {"south", "north"}
    assert [sweeps.label_of(path, "south") for path in files] == names
    one = sweeps.stem_of(next(name for name in names if names.count(name) == 2))
    assert [sweeps.region_of(path) for path in sweeps.sweep_files(root, [one], "both")] == ["south", "north"]
    with pytest.raises(sweeps.SweepError, match=r"survey\.sweeps names sweep-999p000"):
        sweeps.sweep_files(root, ["sweep-999p000-999p005"], "both")


@pytest.mark.parametrize("region", schema.REGIONS)
def test_a_region_without_sweeps_is_refused_in_a_run_of_both(root, tmp_path, region):
    place = copied(root, tmp_path / "survey", "coadd")
    (place / region / "sweep").rename(place / f"{region}-aside")
    with pytest.raises(sweeps.SweepError, match=f"no sweep file of the {region} below .*{region}/sweep/<version>"):
        sweeps.sweep_files(place, region="both")
    other = {"south": "north", "north": "south"}[region]
    shutil.copytree(place / other / "sweep", place / "sweep")  # of no region
    with pytest.raises(sweeps.SweepError, match=f"no sweep file of the {region} below|have one name; leave one of the"):
        sweeps.sweep_files(place, region="both")


def test_each_sweep_is_held_against_the_checksum_of_its_own_region(settings, root):
    run, files = reading(settings), sweeps.sweep_files(root, region="both")
    found = published.listed(files, root, "both")
    assert set(found) == {sweeps.label_of(path, "both") for path in files}
    lines = dict(line.split("  ")[::-1] for line in (root / "sha256sums.txt").read_text().splitlines())
    for path in files:
        assert found[sweeps.label_of(path, "both")] == lines[path.relative_to(root).as_posix()]
    assert published.lacking(run) == ""
    south = [path for path in files if sweeps.region_of(path) == "south"]
    assert checksums.published(south, root) == {
        path.name: lines[path.relative_to(root).as_posix()] for path in south
    }  # a run of one region does not trip over the lines of the other
    assert sweeps.not_here(root, "south") == []


def test_a_galaxy_in_both_regions_is_one(done, root):
    _, gates, ledgers, galaxies = done
    rows = galaxies.drop_duplicates("galaxy_id")
    place = BOTH.region_at(rows["ra"].to_numpy(), rows["dec"].to_numpy())
    assert (rows["sweep_file"].astype(str).str.split("-").str[0] == place).all()
    assert set(place) == {"south", "north"}
    twins = rows.groupby(["brickid", "objid"])["release"].nunique()
    truth = pd.read_parquet(root / "truth" / "truth.parquet")
    near = truth[np.abs(truth["dec"] - BORDER) < 3e-4]  # where errors of the position may carry one across
    assert set(twins[twins > 1].index) <= set(zip(near["brickid"], near["objid"]))
    reasons = ledgers["galaxies"].dropped
    assert reasons["where the survey takes the north"] > 10
    assert reasons["where the survey takes the south"] > 10
    assert gates["objects.files"].verdict == "pass"
    assert gates["objects.bricks"].verdict == "pass"


def test_no_galaxy_of_the_sky_is_lost_at_the_border(done, root):
    _, _, _, galaxies = done
    truth = pd.read_parquet(root / "truth" / "truth.parquet")
    bricks = pd.read_parquet(root / "truth" / "bricks.parquet")
    across = bricks[(bricks["dec"] == BORDER) & (bricks["special"] == "")]["brickid"]
    lenses = truth[(truth["kind"] == "early") & truth["brickid"].isin(across)]
    assert len(lenses) > 3
    held = set(zip(galaxies["brickid"], galaxies["objid"]))
    assert {(row.brickid, row.objid) in held for row in lenses.itertuples()} == {True}


def test_a_release_of_both_regions_alike_is_refused_for_keys_would_not_tell(settings, root, tmp_path):
    def alike(table):
        return {"RELEASE": np.full(table["RELEASE"].size, 11011, "i2")}

    run, name = altered(settings, root, tmp_path, "south", alike)
    with pytest.raises(objects.ObjectsError, match="hold rows of RELEASE 11011, one as the north and one as the sou"):
        imported(run)
    assert name


BAD_CODES = {
    "of neither": (23000, r"holds rows of RELEASE 23000, which is neither of the south nor of the north of DR11"),
    "of the other": (
        11010,
        r"holds rows of the south of DR11 \(RELEASE 11010\), and it lies in the folder of the nort",
    ),
    "of another release": (10000, r"'north-sweep-.*' holds rows of DR10 \(RELEASE 10000\), and the run reads DR11"),
}


@pytest.mark.parametrize("case", BAD_CODES)
def test_rows_of_another_release_or_region_are_refused_by_file(settings, root, tmp_path, case):
    code, sentence = BAD_CODES[case]

    def change(table):
        codes = table["RELEASE"].astype("i2").copy()
        codes[-1] = code
        return {"RELEASE": codes}

    run, _ = altered(settings, root, tmp_path, "north", change)
    with pytest.raises(objects.ObjectsError, match=sentence):
        imported(run)


def test_a_sweep_of_the_south_in_the_folder_of_the_north_is_told_by_its_bands(settings, root, tmp_path):
    place = copied(root, tmp_path / "survey", "coadd")
    path = sorted((place / "south/sweep/11.0").iterdir())[0]
    codes = np.full(len(fits.getdata(path)), 11013, "i2")  # a RELEASE that nothing is known of
    rewritten(path, {"RELEASE": codes}, place / "north/sweep/11.0" / path.name)
    with pytest.raises(objects.ObjectsError, match=r"has fluxes in g, r, i, z, and the north of DR11 .* has g, r, z"):
        imported(reading(settings, root=str(place)))


# ---------------------------------------------------------------- bricks and random points


def test_a_brick_of_both_has_the_conditions_of_the_region_that_keeps_its_middle(settings, root):
    run = reading(settings)
    bricks, truth = run.survey.bricks(), pd.read_parquet(root / "truth" / "bricks.parquet")
    assert not bricks["brickname"].duplicated().any()
    assert set(bricks["brickname"]) == set(truth["brickname"])
    assert bricks["region"].tolist() == BOTH.region_at(bricks["ra"].to_numpy(), bricks["dec"].to_numpy()).tolist()
    own = truth.set_index(["brickname", "region"])["psfsize_r"]
    for brick in bricks.itertuples():
        assert brick.psfsize_r == pytest.approx(own[brick.brickname, brick.region], rel=1e-5)
    names = [path.name for path in run.survey.tables()]
    assert sorted(names) == [
        "survey-bricks-dr11-north.fits.gz",
        "survey-bricks-dr11-south.fits.gz",
        "survey-bricks.fits.gz",
    ]


def test_a_brick_that_one_region_alone_has_stays_where_it_reaches_into_its_part(settings, root, tmp_path):
    place = copied(root, tmp_path / "survey", "sweep")
    truth = pd.read_parquet(root / "truth" / "bricks.parquet")
    across = truth.loc[truth["dec"] == BORDER, "brickname"].iloc[0]
    beyond = truth.loc[(truth["region"] == "north") & (truth["dec"] > BORDER + 0.3), "brickname"].iloc[0]
    path = place / "north/survey-bricks-dr11-north.fits.gz"
    table = fits.getdata(path)
    kept = ~np.isin(table["brickname"], [across, beyond])
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table[kept], name="BRICKS")]).writeto(path, overwrite=True)
    bricks = reading(settings, root=str(place)).survey.bricks().set_index("brickname")
    assert bricks["region"][across] == "south"
    assert beyond not in bricks.index or bricks["region"][beyond] == "north"


@pytest.mark.parametrize("region", schema.REGIONS)
def test_a_region_without_its_table_of_bricks_is_refused(settings, root, tmp_path, region):
    place = copied(root, tmp_path / "survey", "sweep", f"survey-bricks-dr11-{region}.fits.gz")
    survey = reading(settings, root=str(place)).survey
    for ask in (survey.check, survey.bricks):
        with pytest.raises(
            SurveyError, match=f"no table of bricks of the {region}, and the run reads both .*dr11-{region}"
        ):
            ask()


def test_random_points_of_both_stand_for_the_area_of_all_bricks(settings, root):
    path = root / "randoms" / "randoms-1-0.fits"
    points = pd.concat(read_randoms([path], release=BOTH, places=True))
    assert points["area"].sum() == pytest.approx(len(fits.getdata(path)) / 2500)
    letters = BOTH.region_at(points["ra"].to_numpy(), points["dec"].to_numpy())
    assert (np.char.upper(letters.astype("U1")) == fits.getdata(path)["PHOTSYS"].astype(str)).all()
    assert len(conditions.of_randoms(read_randoms([path], release=BOTH)))
    assert heads([path], release=BOTH) == (len(points), 2500)


@pytest.mark.parametrize("letter", ["N", "S"])
def test_random_points_of_one_region_are_refused_for_a_run_of_both(root, tmp_path, letter):
    path = root / "randoms" / "randoms-1-0.fits"
    letters = np.full(len(fits.getdata(path)), letter, "S1")
    one = rewritten(path, {"PHOTSYS": letters}, tmp_path / "one.fits")
    bare = rewritten(path, {"PHOTSYS": None}, tmp_path / "bare.fits")
    missing = {"N": "south", "S": "north"}[letter]
    sentence = f"one.fits' .* holds no point of the {missing} of DR11 .PHOTSYS .*, and the run reads both regions; give"
    for ask in (heads, lambda paths, release: list(read_randoms(paths, release=release))):
        with pytest.raises(sweeps.SweepError, match=sentence):
            ask([path, one], release=BOTH)
        with pytest.raises(
            sweeps.SweepError, match=r"bare\.fits' .* has no column PHOTSYS, and the run reads both regions"
        ):
            ask([bare], release=BOTH)


def test_random_points_of_the_other_region_are_refused_before_a_run_begins(root, tmp_path):
    path = root / "randoms" / "randoms-1-0.fits"
    letters = np.full(len(fits.getdata(path)), "S", "S1")
    one = rewritten(path, {"PHOTSYS": letters}, tmp_path / "one.fits")
    north = schema.release("dr11", "north")
    assert heads([path], release=north)[1] == 2500
    with pytest.raises(sweeps.SweepError, match="holds no point of the north of DR11"):
        heads([one], release=north)


# ---------------------------------------------------------------- pixels


@pytest.fixture(scope="module")
def rows(root):
    """Objects about the border, of bricks that both regions have, in no order."""
    truth = pd.read_parquet(root / "truth" / "truth.parquet")
    bricks = pd.read_parquet(root / "truth" / "bricks.parquet")
    across = bricks.loc[bricks["dec"] == BORDER, "brickid"]
    found = truth[truth["brickid"].isin(across) & (truth["kind"] == "early")].sample(12, random_state=1)
    return found.assign(galaxy_id=np.arange(12))[["galaxy_id", "ra", "dec", "brickname", "region"]].reset_index(
        drop=True
    )


def test_each_row_is_cut_from_the_coadds_of_its_own_region(settings, root, rows):
    survey, sources = reading(settings).survey, {}
    assert set(rows["region"]) == {"south", "north"}
    read = survey.read(rows, 21, sources=sources)
    assert (read["failure"].values == "").all()
    np.testing.assert_array_equal(read["galaxy_id"].values, rows["galaxy_id"])
    assert [str(url).split("/")[0] for url in read["cutout_url"].values] == rows["region"].tolist()
    for region in schema.REGIONS:
        own = (rows["region"] == region).to_numpy()
        alone = reading(settings, region=region).survey.read(rows[own], 21)
        for name in ("image", "invvar", "mask", "psfsize"):
            np.testing.assert_array_equal(read[name].values[own], alone[name].values)
        assert set(np.char.partition(np.array(list(sources)), "/")[:, 0]) == {"south", "north"}
    other = reading(settings, region="south").survey.read(rows, 21)
    north = (rows["region"] == "north").to_numpy()
    assert not np.array_equal(read["image"].values[north], other["image"].values[north])
    assert all(survey.version(name) == version for name, version in sources.items())
    assert any("north: " in line for line in survey.check())
    assert len(survey.read(rows.iloc[:0], 21)["galaxy_id"]) == 0
    assert survey.read(rows.iloc[:1], 21).sizes["galaxy"] == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(survey)).read(rows, 21)["image"], read["image"])


def test_layers_are_those_of_the_regions_unless_the_run_names_another(settings, rows):
    named = reading(settings).survey.read(rows, 21)
    starts = [str(value).split(" ")[0] for value in named["layer_version"].values]
    assert starts == [f"ls-dr11-{region}" for region in rows["region"]]
    other = reading(settings, layer="mock").survey.read(rows, 21)
    assert {str(value).split(" ")[0] for value in other["layer_version"].values} == {"mock"}


def test_coadds_at_an_address_are_those_of_the_folder(settings, root, rows):
    address = f"file://{root}"
    survey = reading(settings, root=address).survey
    assert all(isinstance(part, FetchedCoadds) for part in survey.parts.values())
    here, there = reading(settings).survey.read(rows, 21), survey.read(rows, 21)
    for name in ("image", "psfsize", "cutout_url"):
        np.testing.assert_array_equal(there[name].values, here[name].values)
    assert any(line.startswith("south: ") for line in survey.check())
    pd.testing.assert_frame_equal(survey.bricks(), reading(settings).survey.bricks())


def test_a_service_is_asked_for_the_layer_of_each_region(settings, root):
    survey = reading(settings, service={"url": "http://127.0.0.1:9/fits-cutout"}).survey
    assert isinstance(survey, BothRegions)
    assert not hasattr(survey, "version")
    layers = {region: part.url(150, 33, 101).split("layer=")[1].split("&")[0] for region, part in survey.parts.items()}
    assert layers == {"south": "ls-dr11-south", "north": "ls-dr11-north"}


def test_pixels_of_a_service_come_row_by_row_from_the_layer_of_the_region(settings, rows):
    with serving() as viewer:
        service = {"url": viewer.address, "requests_per_second": 1000}
        read = reading(settings, service=service).survey.read(rows.iloc[:4], 21)
        layers = [path.split("layer=")[1].split("&")[0] for _, path in viewer.asked]
    assert (read["failure"].values == "").all()
    assert sorted(layers) == sorted(f"ls-dr11-{region}" for region in rows["region"].iloc[:4])
    urls = read["cutout_url"].values.tolist()
    assert all(f"layer=ls-dr11-{region}&" in url for url, region in zip(urls, rows["region"]))
    assert (read["checksum"].values != "").all()


def test_a_brick_is_that_of_the_region_that_the_table_of_bricks_has_it_of(settings, root):
    survey = reading(settings).survey
    for brick in survey.bricks().itertuples():
        assert (
            survey.brick(brick.brickname).folder
            == root / brick.region / "coadd" / brick.brickname[:3] / brick.brickname
        )
    with pytest.raises(PixelError, match="has no folder"):
        survey.brick("0000p000")


# ---------------------------------------------------------------- run files


def test_a_run_of_both_that_asks_for_what_one_has_not_is_refused():
    common = {"layout": "dr11", "region": "both", "root": "/nowhere"}
    assert config.Survey(**common).layer == "ls-dr11"
    assert config.Survey(**common).content()["region"] == "both"
    with pytest.raises(
        ValueError, match=r"asks for i, and the north of DR11 \(BASS and MzLS\) was observed in g, r, z"
    ):
        config.Survey(**common, bands=["g", "r", "i", "z"])
    with pytest.raises(
        ValueError, match="layer 'ls-dr11-north' is the north of DR11, and layout and region say the so"
    ):
        config.Survey(**common, layer="ls-dr11-north")
    with pytest.raises(ValueError, match="layer 'ls-dr11' is the south and the north of DR11, and layout and region"):
        config.Survey(layout="dr11", region="south", root="/nowhere", layer="ls-dr11")
    with pytest.raises(ValueError, match="there is no north of dr10"):
        config.Survey(layout="dr10", region="both", root="/nowhere")
    with pytest.raises(ValueError, match="region is not given; say south or north, or both"):
        config.Survey(layout="dr11", root="/nowhere")


@pytest.mark.parametrize(
    ("section", "values", "sentence"),
    [
        ("manifest", {}, "dec_range_degree ends at 32, and the north of DR11 begins at 32.375: no galaxy of it would"),
        ("detector", {"bands": ["g", "i"]}, "detector.bands asks for i, and the north of DR11"),
        ("sky", {"release": "dr11", "region": "south"}, "sky draws the south of DR11, and survey reads the south and "),
    ],
)
def test_a_run_file_of_both_is_held_to_each_region(settings, section, values, sentence):
    raw = settings.model_dump()
    raw[section] = values
    with pytest.raises(ValueError, match=sentence):
        config.Settings.model_validate(raw)


def test_the_region_is_an_axis_only_of_a_run_that_reads_both(settings):
    raw = settings.model_dump()
    raw["completeness"]["axes"] = {"region": None}
    assert config.Settings.model_validate(raw).completeness.axes == {"region": None}
    raw["survey"] |= {"region": "south", "layer": "mock"}
    raw["sky"] |= {"region": "south"}
    with pytest.raises(
        ValueError, match=r"completeness\.axes names region, and the run reads one region; leave it out"
    ):
        config.Settings.model_validate(raw)
