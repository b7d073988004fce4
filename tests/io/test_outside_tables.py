"""A table of others is the same whatever it is written as: names whole, blanks blank, units heard, in any HDU."""

import gzip

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from lenscal import config, detector, objects
from lenscal.config import ContaminantCatalogue, GalaxyTable, LensCatalogue
from lenscal.errors import LenscalError
from lenscal.io.randoms import heads, read_randoms
from lenscal.io.sweeps import SweepFile
from lenscal.io.tables import lenses as catalogues
from lenscal.io.tables import sexagesimal
from lenscal.io.tables.reading import read_table

IDS = [2**62 + 1, 2**53 + 1, 7]
COLUMNS = {"name": "TARGET", "ra": "ALPHA", "dec": "DELTA", "zlens": "Z", "grade": "GR"}
WANTED = {
    "name": [str(one) for one in IDS],
    "ra": [10.123456789, 359.5, 0.25],
    "dec": [-3.25, 4.5, 88.0],
    "grade": ["A", "B", "A"],
}


def table():
    found = Table()
    found["TARGET"] = np.array(IDS, np.int64)
    found["ALPHA"] = np.array(WANTED["ra"]) * u.deg
    found["DELTA"] = np.array(WANTED["dec"]) * u.deg
    found["Z"] = MaskedColumn([0.5, 0.0, 0.75], mask=[False, True, False])
    found["GR"] = WANTED["grade"]
    found["MANY"] = np.arange(6.0).reshape(3, 2)
    return found


def _binary(path, content):
    content["ONE"] = np.arange(3.0).reshape(3, 1)
    content.write(path, format="fits")


def _ascii(path, content):
    columns = [
        fits.Column(name, form, array=np.array(content[name].filled(np.nan) if name == "Z" else content[name]))
        for name, form in {"ALPHA": "D25.17", "DELTA": "D25.17", "Z": "D25.17", "GR": "A4"}.items()
    ]
    names = fits.Column("TARGET", "A20", array=np.array([str(one) for one in IDS]))
    fits.HDUList([fits.PrimaryHDU(), fits.TableHDU.from_columns([names, *columns])]).writeto(path)


def _second(path, content):
    other = fits.BinTableHDU(Table({"x": [1, 2]}), name="OTHER")
    fits.HDUList([fits.PrimaryHDU(), other, fits.BinTableHDU(content, name="LENSES")]).writeto(path)


def _text(path, content):
    content.remove_column("MANY")
    lines = ["# made by hand, with a comma", "#", ",".join(content.colnames)]
    lines += [",".join("" if np.ma.is_masked(cell) else str(cell) for cell in row) for row in content]
    lines.insert(4, "# another comment")
    path.write_text("\n".join(lines) + "\n")


def _named_in_comment(path, content):
    _text(path, content)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["# TARGET,ALPHA,DELTA,Z,GR", *lines[3:]]) + "\n")


def _tabs(path, content):
    _text(path, content)
    path.write_text(path.read_text().replace(",", "\t"))


def _packed(write):
    def packed(path, content):
        plain = path.with_name("plain" + path.suffixes[0].lower())
        write(plain, content)
        path.write_bytes(gzip.compress(plain.read_bytes()))

    return packed


def _written(format_):
    def write(path, content):
        if format_ == "parquet":
            content["ONE"] = np.arange(3.0)
        content.write(path, format=format_)

    return write


FORMS = {
    "lenses.fits": _binary,
    "lenses.FIT": _binary,
    "ascii.fits": _ascii,
    "second.fits": _second,
    "lenses.csv": _text,
    "commented.csv": _named_in_comment,
    "LENSES.CSV": _text,
    "lenses.tsv": _tabs,
    "lenses.ecsv": _written("ascii.ecsv"),
    "disguised.csv": _written("ascii.ecsv"),
    "lenses.vot": _written("votable"),
    "lenses.xml": _written("votable"),
    "lenses.parquet": _written("parquet"),
    "lenses.PARQUET": _written("parquet"),
    "lenses.fits.gz": _packed(_binary),
    "lenses.FITS.GZ": _packed(_binary),
    "lenses.csv.gz": _packed(_text),
    "lenses.CSV.GZ": _packed(_text),
    "lenses.ecsv.gz": _packed(_written("ascii.ecsv")),
    "lenses.vot.gz": _packed(_written("votable")),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_lenses_is_the_same_whatever_it_is_written_as(tmp_path, form):
    FORMS[form](tmp_path / form, table())
    item = LensCatalogue(name="mine", source=str(tmp_path / form), format="csv", columns=COLUMNS)
    read = catalogues.read_lenses(item)
    assert read["name"].astype(str).str.removesuffix(".0").tolist() == WANTED["name"]
    assert read["ra"].tolist() == WANTED["ra"]
    assert read["dec"].tolist() == WANTED["dec"]
    assert read["grade"].tolist() == WANTED["grade"]
    lenses, ledger = objects.lens_table(read, item)
    assert (ledger.rows_out, lenses["zlens"].isna().tolist()) == (3, [False, True, False])


@pytest.mark.parametrize("form", FORMS)
def test_look_alikes_and_rows_of_a_survey_are_read_as_lenses_are(tmp_path, form):
    FORMS[form](tmp_path / form, table())
    place = {name: COLUMNS[name] for name in ("ra", "dec")}
    item = ContaminantCatalogue(
        name="mine",
        source=str(tmp_path / form),
        category="column:GR",
        columns={**place, "name": "TARGET"},
        categories={"A": "merger", "B": "spiral"},
    )
    found, _ = objects.contaminant_table(catalogues.read_contaminants(item), item)
    assert found["category"].tolist() == ["merger", "spiral", "merger"]
    assert found["name"].tolist() == WANTED["name"]
    rows = catalogues.read_stand_ins(GalaxyTable(source=str(tmp_path / form), columns=place))
    assert rows["ra"].tolist() == WANTED["ra"]


@pytest.mark.parametrize("hdu", ["lenses", "LENSES", 2])
def test_an_hdu_is_named_or_counted(tmp_path, hdu):
    other = fits.BinTableHDU(Table({"ra": [1.0], "dec": [2.0]}), name="OTHER")
    right = fits.BinTableHDU(Table({"ra": [3.0], "dec": [4.0]}), name="LENSES")
    fits.HDUList([fits.PrimaryHDU(), other, right]).writeto(tmp_path / "a.fits")
    item = LensCatalogue(name="mine", source=str(tmp_path / "a.fits"), format="csv")
    assert catalogues.read_lenses(item)["ra"].tolist() == [1.0]
    assert catalogues.read_lenses(item.model_copy(update={"hdu": hdu}))["ra"].tolist() == [3.0]


@pytest.mark.parametrize("hdu", ["NONE", 0, 7])
def test_an_hdu_that_there_is_not_is_refused_with_those_that_there_are(tmp_path, hdu):
    Table({"ra": [1.0], "dec": [2.0]}).write(tmp_path / "a.fits")
    item = LensCatalogue(name="mine", source=str(tmp_path / "a.fits"), format="csv", hdu=hdu)
    with pytest.raises(catalogues.CatalogueError, match=rf"a\.fits' has no .* {hdu}; found \[1\]"):
        catalogues.read_lenses(item)


@pytest.mark.parametrize("form", ["a.csv", "a.ecsv", "a.vot", "a.fits", "a.parquet"])
def test_whole_numbers_with_blanks_keep_every_digit(tmp_path, form):
    ids = MaskedColumn(np.array([2**62 + 1, 0, 2**53 + 1], np.int64), mask=[False, True, False])
    content = Table({"id": ids, "ra": [1.0, 2.0, 3.0], "dec": [1.0, 2.0, 3.0]})
    if form.endswith(".csv"):
        content.to_pandas().astype({"id": "Int64"}).to_csv(tmp_path / form, index=False)
    elif form.endswith(".parquet"):
        content.to_pandas(use_nullable_int=True).to_parquet(tmp_path / form)
    else:
        content.write(tmp_path / form, format={"ecsv": "ascii.ecsv", "vot": "votable", "fits": "fits"}[form[2:]])
    found = read_table(tmp_path / form)["id"]
    assert found.isna().tolist() == [False, True, False]
    assert [int(found[i]) for i in (0, 2)] == [2**62 + 1, 2**53 + 1]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("10:22:33.4", "hms"),
        ("00 00 00.00", "hms"),
        ("23h59m59.9s", "hms"),
        ("-05 12 00", "dms"),
        ("+41:16:09.3", "dms"),
        ("-00:00:01", "dms"),
        ("12 30", "dms"),
        ("-89d59m59s", "dms"),
    ],
)
def test_sexagesimal_texts_are_the_angles_of_astropy(cell, kind):
    expected = Angle(cell, unit=u.hourangle if kind == "hms" else u.deg).deg
    np.testing.assert_allclose(sexagesimal.degrees([cell], kind), [expected], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", ["", "10.5", "10:61:00", "10:00:60", "a:b:c", None, "1:2:3:4"])
def test_what_is_no_sexagesimal_number_is_none(cell):
    assert np.isnan(sexagesimal.degrees([cell], "dms")).all()


@pytest.mark.parametrize("how", ["run file", "file"])
def test_sexagesimal_columns_are_converted_where_they_are_declared(tmp_path, how):
    content = Table({"ra": ["10:00:00", "00 30 00"], "dec": ["-00:30:00", "+10 00 36"]})
    units = {"ra": "hms", "dec": "dms"}
    if how == "file":
        content["ra"].unit, content["dec"].unit, units = u.Unit("h"), None, {"dec": "dms"}
        (tmp_path / "a.tsv").write_text(
            'ra\tdec\n"h:m:s"\t"d:m:s"\n---\t---\n10:00:00\t-00:30:00\n00 30 00\t+10 00 36\n'
        )
        units = {}
    else:
        content.write(tmp_path / "a.tsv", format="ascii.tab")
    item = LensCatalogue(name="mine", source=str(tmp_path / "a.tsv"), format="csv", units=units)
    found, ledger = objects.lens_table(catalogues.read_lenses(item), item)
    assert found["ra"].tolist() == [150.0, 7.5]
    np.testing.assert_allclose(found["dec"], [-0.5, 10.01])
    assert ledger.rows_out == 2


@pytest.mark.parametrize("unit", ["hourangle", "rad"])
def test_sexagesimal_texts_that_are_declared_as_numbers_are_refused_with_the_way_to_declare_them(tmp_path, unit):
    (tmp_path / "a.csv").write_text("ra,dec\n,\n10:14:38.4,+04:46:54.7\n")
    item = LensCatalogue(name="mine", source=str(tmp_path / "a.csv"), format="csv", units={"ra": unit})
    with pytest.raises(
        catalogues.CatalogueError,
        match=rf"column ra is stated to be in '{unit}'.* \(the first is '10:14:38.4'\); .*units: {{ra: hms, dec: dms}}",
    ):
        catalogues.read_lenses(item)


def test_hours_in_texts_that_the_file_states_are_read_once_they_are_declared(tmp_path):
    table = Table({"ra": ["10:00:00"], "dec": ["-00:30:00"]})
    table["ra"].unit = "hourangle"
    table.write(tmp_path / "a.ecsv")
    found = read_as(tmp_path / "a.ecsv", {"ra": "hms", "dec": "dms"})
    assert (found["ra"].tolist(), found["dec"].tolist()) == ([150.0], [-0.5])


def read_as(path, units):
    return catalogues.read_lenses(LensCatalogue(name="mine", source=str(path), format="csv", units=units))


@pytest.mark.parametrize(
    ("own", "given", "fits"),
    [
        ("rad", "rad", True),
        ("rad", "deg", False),
        ("deg", "deg", True),
        ("deg", "hourangle", False),
        ("h", "hms", True),
    ],
)
def test_a_unit_of_the_run_file_that_contradicts_the_file_is_refused(tmp_path, own, given, fits):
    table = Table({"ra": [1.0, 1.5], "dec": [0.1, 0.2]})
    table["ra"].unit = own
    table.write(tmp_path / "a.ecsv")
    if fits:
        alone = read_as(tmp_path / "a.ecsv", {})
        pd.testing.assert_frame_equal(read_as(tmp_path / "a.ecsv", {"ra": given}), alone)
        return
    with pytest.raises(
        catalogues.CatalogueError, match=f"states column ra in '{own}', and `units` of the run file says {given}"
    ):
        read_as(tmp_path / "a.ecsv", {"ra": given})


@pytest.mark.parametrize("ending", ["ecsv", "parquet"])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_a_column_of_places_is_ra_and_dec(tmp_path, ending, frame):
    places = SkyCoord([150.1, 20.5], [2.2, -1.5], unit="deg")
    table = QTable({"name": ["a", "b"], "coord": places.transform_to(frame), "size": [1, 2] * u.arcsec})
    table["seen"] = Time(["2020-01-01", "2021-01-01"])
    table.write(tmp_path / f"a.{ending}")
    found = read_as(tmp_path / f"a.{ending}", {})
    np.testing.assert_allclose(found["ra"], [150.1, 20.5], atol=1e-9)
    np.testing.assert_allclose(found["dec"], [2.2, -1.5], atol=1e-9)
    whole = read_table(tmp_path / f"a.{ending}")
    assert whole["seen"][0].startswith("2020-01-01")
    assert whole["coord.dec"].tolist() == found["dec"].tolist()


def test_places_beside_columns_of_these_names_keep_their_own(tmp_path):
    table = QTable({"RA": [1.0], "Dec": [2.0], "coord": SkyCoord([150.1], [2.2], unit="deg")})
    table.write(tmp_path / "a.ecsv")
    found = read_table(tmp_path / "a.ecsv")
    assert (found["RA"][0], found["coord.ra"][0], found["coord.dec"][0]) == (1.0, 150.1, 2.2)


def test_places_that_are_none_of_the_sky_are_refused_in_one_sentence(tmp_path):
    QTable({"coord": SkyCoord([150.1], [2.2], unit="deg", frame="altaz")}).write(tmp_path / "a.ecsv")
    with pytest.raises(catalogues.CatalogueError, match="column coord holds places in the frame 'altaz', which cannot"):
        read_table(tmp_path / "a.ecsv")


def test_a_grade_is_mapped_to_a_tier_or_to_a_grade_that_is_known(tmp_path):
    (tmp_path / "a.csv").write_text("ra,dec,grade\n1,1,definite\n2,2,maybe\n3,3,best\n")
    item = LensCatalogue(
        name="mine",
        source=str(tmp_path / "a.csv"),
        format="csv",
        grades={"definite": "confident", "maybe": "Probable", "best": "literature"},
    )
    assert objects.lens_table(catalogues.read_lenses(item), item)[0]["tier"].tolist() == ["A", "B", "literature"]
    with pytest.raises(ValueError, match="maps 'definite' to 'splendid', which is no tier and no known grade"):
        LensCatalogue(name="mine", source="a.csv", grades={"definite": "splendid"})


def test_keys_that_say_nothing_are_in_no_address():
    item = LensCatalogue(name="mine", source="a.csv")
    assert "hdu" not in item.content()
    assert item.model_copy(update={"hdu": 2}).content()["hdu"] == 2
    assert {"hdu", "categories"}.isdisjoint(ContaminantCatalogue(name="a", source="b", category="c").content())


@pytest.mark.parametrize("suffix", ["vot", "parquet", "fits"])
def test_a_damaged_table_is_named_with_what_to_do(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    content = Table({"ra": np.arange(500.0), "dec": np.arange(500.0) / 10})
    content.write(path, format="votable" if suffix == "vot" else suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LenscalError, match=rf"a\.{suffix}' cannot be read \(.*it may be truncated: fetch it again"):
        catalogues.read_lenses(LensCatalogue(name="mine", source=str(path), format="csv"))


@pytest.mark.parametrize("suffix", ["vot", "parquet", "fits", "ecsv", "xml"])
@pytest.mark.parametrize("content", [b"", b"<html><body>not found</body></html>", b"hello\n", bytes(range(256))])
def test_what_is_no_table_at_all_is_one_sentence(tmp_path, suffix, content):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(LenscalError, match=rf"a\.{suffix}' "):
        catalogues.read_table(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("form", ["a.fits", "second.fits", "a.ecsv", "a.parquet", "a.vot", "a.csv"])
def test_random_points_are_read_from_any_table(tmp_path, form):
    rng = np.random.default_rng(3)
    points = Table(
        {
            "RA": rng.uniform(0, 10, 200),
            "DEC": rng.uniform(0, 10, 200),
            "PSFSIZE_R": rng.uniform(1, 2, 200).astype("f4"),
            "PSFDEPTH_R": rng.uniform(100, 900, 200).astype("f4"),
        }
    )
    hdu = fits.BinTableHDU(points)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "survey.fits")
    expected = pd.concat(read_randoms([tmp_path / "survey.fits"], 2500.0, places=True))
    if form == "second.fits":
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"x": [1]})), hdu]).writeto(tmp_path / form)
    elif form == "a.parquet":
        points.to_pandas().to_parquet(tmp_path / form)
    else:
        kind = {"a.fits": "fits", "a.ecsv": "ascii.ecsv", "a.vot": "votable", "a.csv": "ascii.csv"}[form]
        points.write(tmp_path / form, format=kind)
    found = pd.concat(read_randoms([tmp_path / form], 2500.0, places=True))
    pd.testing.assert_frame_equal(found, expected)
    assert heads([tmp_path / form], 2500.0) == (200, 2500.0)


@pytest.mark.parametrize("form", ["a.ecsv", "a.fits"])
def test_random_points_without_a_column_are_refused_by_name(tmp_path, form):
    kind = "ascii.ecsv" if form.endswith("ecsv") else "fits"
    Table({"RA": [1.0], "DEC": [1.0], "PSFSIZE_R": [1.0]}).write(tmp_path / form, format=kind)
    with pytest.raises(LenscalError, match="PSFDEPTH_R"):
        heads([tmp_path / form], 2500.0)


def test_the_fast_reader_of_sweeps_gives_what_astropy_gives(tmp_path):
    rng = np.random.default_rng(5)
    names = ("RA", "DEC", "OBJID", "BRICKID", "RELEASE", "FLUX_R", "TYPE", "BRICKNAME")
    content = Table(
        {
            "RA": rng.uniform(0, 360, 300),
            "DEC": rng.uniform(-90, 90, 300),
            "OBJID": rng.integers(0, 2**31 - 1, 300).astype("i4"),
            "BRICKID": rng.integers(0, 600000, 300).astype("i4"),
            "RELEASE": rng.integers(9000, 10001, 300).astype("i2"),
            "FLUX_R": rng.normal(size=300).astype("f4"),
            "TYPE": rng.choice(["SER", "DEV", "PSF"], 300),
            "BRICKNAME": rng.choice(["0001p000", "0002m005"], 300),
        }
    )
    content.write(tmp_path / "a.fits")
    slow, library = catalogues.read_table(tmp_path / "a.fits"), Table.read(tmp_path / "a.fits")
    with SweepFile(tmp_path / "a.fits", names) as file:
        fast = file.read()
    for name in names:
        expected = np.asarray(library[name]).astype(str) if name in ("TYPE", "BRICKNAME") else np.asarray(library[name])
        np.testing.assert_array_equal(np.asarray(fast[name]), expected)
        np.testing.assert_array_equal(np.asarray(slow[name]), expected)


@pytest.mark.parametrize("form", ["a.CSV", "a.csv.gz", "a.ecsv", "a.vot", "a.parquet", "a.fits", "second.fits"])
def test_scores_keep_their_ids_in_every_kind_of_table(tmp_path, form):
    ids = np.array([2**62 + 1, 2**53 + 1, 5], np.int64)
    content = Table({"id": ids, "score": [0.25, -1.0, 3.5]})
    path = tmp_path / form
    if form == "a.parquet":
        content.to_pandas().to_parquet(path)
    elif form == "second.fits":
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"x": [1]})), fits.BinTableHDU(content)]).writeto(path)
    elif "csv" in form.lower() and "ecsv" not in form:
        text = b"# scores of mine\n" + content.to_pandas().to_csv(index=False).encode()
        path.write_bytes(gzip.compress(text) if form.endswith(".gz") else text)
    else:
        content.write(path, format={"ecsv": "ascii.ecsv", "vot": "votable", "fits": "fits"}[form[2:]])
    found = detector.bring(path, {"output": "score"})
    assert found.of_ids(ids).tolist() == [0.25, -1.0, 3.5]


def test_a_run_file_says_all_of_it(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"")
    text = f"""
name: mine
seed: 1
stores: out
survey: {{layout: dr10, root: {tmp_path}}}
objects:
  lenses:
    - {{name: a, source: a.fits, format: csv, hdu: LENSES, units: {{ra: hms, dec: dms}}, grades: {{x: confident}}}}
  contaminants: [{{name: b, source: a.fits, category: "column:C", hdu: 2, categories: {{S: spiral}}}}]
  galaxy_tables: [rows.csv, {{source: more.fits, columns: {{ra: ALPHA}}, hdu: 3}}]
"""
    (tmp_path / "run.yaml").write_text(text)
    found = config.load(tmp_path / "run.yaml").objects
    assert found.galaxy_tables[0] == str(tmp_path / "rows.csv")
    assert found.galaxy_tables[1].source == str(tmp_path / "more.fits")
    assert (found.lenses[0].hdu, found.contaminants[0].hdu) == ("LENSES", 2)
