"""A table of positions is read in degrees, whatever it was written in, or it is named; no row of
one goes without a word.
"""

import gzip

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from raw_skies import raw_sky, settings_of, write_sweep

from lenscal import config, objects
from lenscal.audit import Run
from lenscal.audit.stages import STAGES
from lenscal.gates import FAIL, PASS
from lenscal.io import sweeps
from lenscal.io.tables import lenses as catalogues

RNG = np.random.default_rng(5)
RA, DEC = RNG.uniform(20, 300, 20), RNG.uniform(-60, 30, 20)
NAMES = [f"{1234567890123456700 + i}" for i in range(20)]


def lenses(path, **more):
    item = config.LensCatalogue(name="l", source=str(path), format="csv", channel="visual", **more)
    return objects.lens_table(catalogues.read_lenses(item), item)


def look_alikes(path, **more):
    item = config.ContaminantCatalogue(name="c", source=str(path), category="ring", **more)
    return objects.contaminant_table(catalogues.read_contaminants(item), item)


def stand_ins(path):
    return objects.stand_ins(catalogues.read_table(path), f"table '{path}'", 0)


READERS = {"lenses": lenses, "look-alikes": look_alikes, "galaxy table": stand_ins}


def in_unit(unit, ra=RA, dec=DEC):
    """Positions as a table in a unit has them: hours are those of RA alone."""
    both = u.Unit(unit) if unit in ("deg", "rad", "arcsec") else u.deg
    of_ra = {"h": u.hourangle, "hour": u.hourangle, "hourangle": u.hourangle}.get(unit, both)
    return (ra * u.deg).to_value(of_ra), (dec * u.deg).to_value(both)


def written(path, ra, dec, units=("", ""), names=("ra", "dec")):
    """A table in the format that the ending says, with its units where the format has a place for them."""
    if path.suffix == ".fits":
        columns = [fits.Column(n, "D", unit=unit or None, array=v) for n, unit, v in zip(names, units, (ra, dec))]
        fits.BinTableHDU.from_columns([*columns, fits.Column("name", "20A", array=NAMES[: len(ra)])]).writeto(path)
    elif path.suffix == ".ecsv":
        table = Table({names[0]: ra, names[1]: dec, "name": NAMES[: len(ra)]})
        for name, unit in zip(names, units):
            table[name].unit = unit or None
        table.write(path, format="ascii.ecsv")
    else:
        sign = "\t" if path.suffix == ".tsv" else ","
        rows = "".join(f"{a!r}{sign}{d!r}{sign}{n}\n" for a, d, n in zip(ra.tolist(), dec.tolist(), NAMES))
        ruled = f"{units[0]}{sign}{units[1]}{sign}\n-----{sign}-----{sign}----\n" if any(units) else ""
        path.write_text(f"{names[0]}{sign}{names[1]}{sign}name\n{ruled}{rows}")
    return path


def is_right(table, ra=RA, dec=DEC):
    return (
        len(table) == len(ra)
        and np.allclose(np.sort(table["ra"]), np.sort(ra), atol=1e-9)
        and np.allclose(np.sort(table["dec"]), np.sort(dec), atol=1e-9)
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ["fits", "ecsv", "tsv"])
@pytest.mark.parametrize("unit", ["deg", "rad", "hourangle", "h", "hour", "arcsec"])
def test_positions_are_converted_by_the_unit_that_the_file_states(tmp_path, reader, ending, unit):
    ra, dec = in_unit(unit)
    stated = (unit, unit if unit in ("deg", "rad", "arcsec") else "deg")
    table, ledger = READERS[reader](written(tmp_path / f"a.{ending}", ra, dec, stated))
    assert is_right(table)
    assert not ledger.dropped


@pytest.mark.parametrize("reader", ["lenses", "look-alikes"])
@pytest.mark.parametrize(
    ("names", "unit"),
    [
        (("RA [deg]", "DEC [deg]"), "deg"),
        (("ra_rad", "dec_rad"), "rad"),
        (("RA (hours)", "Dec (degrees)"), "h"),
        (("ra_hours", "dec_deg"), "h"),
    ],
)
def test_a_unit_in_the_name_of_a_column_counts(tmp_path, reader, names, unit):
    path = written(tmp_path / "a.csv", *in_unit(unit), names=names)
    assert is_right(READERS[reader](path, columns={"ra": names[0], "dec": names[1]})[0])


@pytest.mark.parametrize("reader", ["lenses", "look-alikes"])
@pytest.mark.parametrize(
    ("unit", "stated"),
    [("rad", {"ra": "rad", "dec": "rad"}), ("h", {"ra": "hourangle"}), ("h", {"ra": "hourangle", "dec": "deg"})],
)
def test_the_run_file_states_the_unit_where_the_file_does_not(tmp_path, reader, unit, stated):
    assert is_right(READERS[reader](written(tmp_path / "a.csv", *in_unit(unit)), units=stated)[0])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("unit", ["mag", "pixel", "h:m:s", "banana", "m/s"])
def test_what_is_no_unit_of_an_angle_is_refused_by_name(tmp_path, reader, unit):
    with pytest.raises(catalogues.CatalogueError, match=rf"column ra is in '{unit}', expected an angle"):
        READERS[reader](written(tmp_path / "a.fits", RA, DEC, (unit, "deg")))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("unit", ["rad", "h"])
def test_hours_and_radians_are_named_where_only_the_numbers_say_so(tmp_path, reader, unit):
    path = written(tmp_path / "a.csv", *in_unit(unit))
    with pytest.raises(
        objects.ObjectsError, match=rf"positions in {'hours' if unit == 'h' else 'radians'} have; expected degrees"
    ):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        (RA, DEC),
        (RA / 15 + 180, DEC),
        (RNG.uniform(0, 24, 20), RNG.uniform(-2, 2, 20)),
        (RNG.uniform(1, 2, 20), RNG.uniform(-1, 1, 20)),
        (RA[:3] / 15, DEC[:3]),
    ],
)
def test_degrees_in_a_corner_of_the_sky_stay_degrees(tmp_path, reader, ra, dec):
    assert is_right(READERS[reader](written(tmp_path / "a.csv", ra, dec))[0], ra, dec)


@pytest.mark.parametrize("ending", ["csv", "fits"])
def test_what_the_run_file_or_the_file_calls_degrees_is_not_doubted(tmp_path, ending):
    ra, dec = RNG.uniform(0, 23, 30), RNG.uniform(-40, 30, 30)
    stated = ("deg", "deg") if ending == "fits" else ("", "")
    path = written(tmp_path / f"a.{ending}", ra[:20], dec[:20], stated)
    table, _ = lenses(path, **({} if ending == "fits" else {"units": {"ra": "deg", "dec": "deg"}}))
    assert is_right(table, ra[:20], dec[:20])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ["csv", "fits"])
def test_ra_from_minus_180_is_wrapped(tmp_path, reader, ending):
    table, ledger = READERS[reader](written(tmp_path / f"a.{ending}", np.where(RA > 180, RA - 360, RA), DEC))
    assert is_right(table)
    assert not ledger.dropped


def test_ra_from_minus_180_is_wrapped_in_a_sweep_too():
    raw = raw_sky()[0].iloc[:300].reset_index(drop=True)
    raw["RA"], raw["TYPE"] = raw["RA"] + 320, "SER"
    whole, _ = objects.galaxies(raw, "f")
    west, ledger = objects.galaxies(raw.assign(RA=raw["RA"] - 360), "f")
    assert not ledger.dropped
    np.testing.assert_allclose(west["ra"], whole["ra"], atol=1e-9)
    assert west["healpix_128"].tolist() == whole["healpix_128"].tolist()


CELLS = {
    "blank": "",
    "sexagesimal": "10:20:30",
    "a filling": "-999",
    "1e20": "1e20",
    "999999": "999999",
    "text": "unknown",
    "infinite": "inf",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_row_without_a_place_is_counted_with_its_reason(tmp_path, reader, cell):
    path = tmp_path / "a.csv"
    path.write_text(f"ra,dec,name\n10,1,a\n{CELLS[cell]},2,b\n30,{CELLS[cell]},c\n40,4,d\n")
    table, ledger = READERS[reader](path)
    assert sorted(table["ra"]) == [10, 40]
    assert sum(ledger.dropped.values()) == 2
    assert all(reason.startswith("position") for reason in ledger.dropped)


@pytest.mark.parametrize("reader", READERS)
def test_empty_cells_that_were_filled_with_zeros_are_no_place(tmp_path, reader):
    (tmp_path / "a.csv").write_text("ra,dec,name\n10,1,a\n0,0,b\n0,0,c\n0,5,d\n")
    table, ledger = READERS[reader](tmp_path / "a.csv")
    assert ledger.dropped == {"position 0, 0 in several rows": 2}
    assert sorted(table["ra"]) == [0, 10]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_masked_positions_are_blank(tmp_path, reader, ending):
    for kind, fill in ((int, -1), (float, np.nan)):
        table = Table(
            {
                "ra": MaskedColumn([10, 20, 30], mask=[0, 1, 0], dtype=kind, fill_value=fill),
                "dec": [1.0, 2.0, 3.0],
                "name": ["a", "b", "c"],
            }
        )
        path = tmp_path / f"{kind.__name__}.{ending}"
        table.write(path)
        found, ledger = READERS[reader](path)
        assert sorted(found["ra"]) == [10, 30]
        assert ledger.dropped == {"position not finite": 1}


# The gates of the stage


@pytest.fixture
def sky(tmp_path):
    raw = raw_sky()[0].iloc[:900].reset_index(drop=True)
    write_sweep(tmp_path / "survey/south/sweep/10.1/sweep-020m005-025p005.fits", raw)
    on = raw.iloc[::60]
    table = pd.DataFrame({"ra": on["RA"], "dec": on["DEC"], "name": "x", "grade": "probable", "reference": ""})
    table.to_csv(tmp_path / "lenses.csv", index=False)
    return tmp_path, table


def gates_of(folder, **of_objects):
    place, stage = Run(settings_of(folder, "run", objects=of_objects)), STAGES["objects"]
    gates, _, _ = stage.finish(place, [stage.work(place, block) for block in stage.blocks(place)])
    return {gate.id: gate for gate in gates}


CHANGES = {
    "hours": (lambda t: t.assign(ra=t["ra"] / 15), "footprint", r"15 if they are hours"),
    "radians": (
        lambda t: t.assign(ra=np.deg2rad(t["ra"]), dec=np.deg2rad(t["dec"])),
        "footprint",
        r"15 if they are radians",
    ),
    "half sexagesimal": (
        lambda t: t.assign(ra=t["ra"].astype(str).where(np.arange(len(t)) % 2 == 0, "1:20:30")),
        "usable",
        "position not finite 7",
    ),
    "half blank": (
        lambda t: t.assign(dec=t["dec"].where(np.arange(len(t)) % 2 == 0)),
        "usable",
        "position not finite 7",
    ),
    "empty": (lambda t: t.iloc[:0], "rows", "0 in, 0 out"),
    "another sky": (lambda t: t.assign(ra=t["ra"] + 100), "footprint", "0 of 15 rows; check ra, dec and their units"),
    "swapped": (
        lambda t: t.assign(ra=t["dec"], dec=t["ra"]),
        "footprint",
        "0 of 15 rows; check ra, dec and their units",
    ),
}


@pytest.mark.parametrize("kind", ["lenses", "contaminants"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_catalogue_that_would_leave_its_rows_among_the_negatives_fails_a_critical_gate(sky, kind, change):
    folder, table = sky
    make, gate, evidence = CHANGES[change]
    make(table).to_csv(folder / "changed.csv", index=False)
    more = {}
    if kind == "lenses":
        make(table).to_csv(folder / "lenses.csv", index=False)
    else:
        more["contaminants"] = [{"name": "others", "source": str(folder / "changed.csv"), "category": "ring"}]
    found = gates_of(folder, **more)[f"objects.{gate}.{'lenses.tests' if kind == 'lenses' else 'contaminants.others'}"]
    assert (found.verdict, found.critical) == (FAIL, True)
    assert evidence in found.evidence


def test_a_sound_catalogue_passes_its_gates(sky):
    folder, table = sky
    table.to_csv(folder / "c.csv", index=False)
    gates = gates_of(folder, contaminants=[{"name": "c", "source": str(folder / "c.csv"), "category": "ring"}])
    mine = {
        name: gate.verdict
        for name, gate in gates.items()
        if name.startswith(("objects.rows.", "objects.usable.", "objects.footprint."))
    }
    assert set(mine.values()) == {PASS}
    assert len(mine) == 6


def test_a_catalogue_that_need_not_lie_inside_may_be_allowed_to(sky):
    folder, table = sky
    table.assign(ra=table["ra"] + 100).to_csv(folder / "lenses.csv", index=False)
    assert gates_of(folder, footprint_rows_min=0)["objects.footprint.lenses.tests"].verdict == PASS


@pytest.mark.parametrize("change", ["half sexagesimal", "half blank", "empty"])
def test_a_table_that_stands_in_for_the_survey_has_the_same_gates(tmp_path, sky, change):
    folder, table = sky
    make, gate, evidence = CHANGES[change]
    make(table).to_csv(folder / "rows.csv", index=False)
    settings = settings_of(folder, "run", objects={"galaxy_tables": [str(folder / "rows.csv")]})
    settings = settings.model_copy(update={"survey": settings.survey.model_copy(update={"layout": "stamps"})})
    gates, _, _ = STAGES["objects"].finish(Run(settings), [])
    found = next(g for g in gates if g.id == f"objects.{gate}.tables.0.rows.csv")
    assert (found.verdict, found.critical) == (FAIL, True)
    assert evidence in found.evidence


# Names and numbers


@pytest.mark.parametrize("reader", ["lenses", "look-alikes"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "fits", "ecsv"])
@pytest.mark.parametrize("blank", [False, True])
def test_long_whole_names_keep_their_digits_beside_a_blank(tmp_path, reader, ending, blank):
    path, ids = tmp_path / f"a.{ending}", [1234567890123456789, 39627640566453061, 7]
    if ending in ("fits", "ecsv"):
        Table(
            {"name": MaskedColumn(ids, mask=[0, 0, blank], fill_value=-1), "ra": [10.0, 11, 12], "dec": [1.0, 1, 1]}
        ).write(path)
    else:
        sign = "\t" if ending == "tsv" else ","
        cells = [*map(str, ids[:2]), "" if blank else "7"]
        text = (
            sign.join(["name", "ra", "dec"])
            + "\n"
            + "".join(f"{name}{sign}{10 + i}{sign}1\n" for i, name in enumerate(cells))
        )
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    names = READERS[reader](path)[0]["name"].astype(str).tolist()
    assert names == ["1234567890123456789", "39627640566453061", "" if blank else "7"]


def test_scaled_whole_numbers_of_a_fits_table_keep_their_digits(tmp_path):
    columns = [
        fits.Column("ra", "D", array=np.array([10.0, 11.0])),
        fits.Column("dec", "J", array=np.array([5, 6])),
        fits.Column("name", "K", array=np.array([1, 3])),
        fits.Column("u", "K", bzero=2**63, array=np.array([2**63 + 5, 7], "u8")),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[1].header["TZERO3"], hdus[1].header["TSCAL3"], hdus[1].header["TNULL3"] = 10**17 + 1, 1, 3
        hdus[1].header["TNULL2"] = 6
    table = catalogues.read_table(tmp_path / "a.fits")
    assert table["name"].tolist()[0] == 10**17 + 2
    assert table["name"].isna().tolist() == [False, True]
    assert table["u"].tolist() == [2**63 + 5, 7]
    assert table["dec"].isna().tolist() == [False, True]


@pytest.mark.parametrize("shape", ["(4,3)", "(12)", "(12,1)", "(5,2)", "(1,12)"])
def test_a_text_column_with_tdim_shifts_no_other(tmp_path, shape):
    rows = np.zeros(2, [("T", "S12"), ("ra", ">f8"), ("dec", ">f8")])
    rows["T"], rows["ra"], rows["dec"] = b"abcdefghijkl", [10, 20], [1, 2]
    fits.BinTableHDU(rows).writeto(tmp_path / "a.fits")
    fits.setval(tmp_path / "a.fits", "TDIM1", value=shape, ext=1)
    table = catalogues.read_table(tmp_path / "a.fits")
    assert table["ra"].tolist() == [10, 20]
    assert table["dec"].tolist() == [1, 2]
    if shape in ("(12)", "(12,1)"):
        assert table["T"].tolist() == ["abcdefghijkl"] * 2
    with sweeps.SweepFile(tmp_path / "a.fits", ("RA", "DEC")) as file:
        assert file.read()["DEC"].tolist() == [1, 2]


@pytest.mark.parametrize("filling", [99.0, 999999, 1e20, 999.0, 99999.0])
def test_a_filling_is_no_redshift_and_is_counted(filling):
    z, unreadable = objects.redshifts(["0.5", filling, f"{filling}|0.7", "-99", ""])
    np.testing.assert_array_equal(z, [0.5, np.nan, 0.7, np.nan, np.nan])
    assert unreadable.tolist() == [False, True, False, False, False]


TEXTS = {
    "names behind a #": "# ra,dec\n10,1\n11,2\n",
    "a comment": "# lenses of a paper\nra,dec\n10,1\n11,2\n",
    "comments with commas": "# one, two, three\n# four\nra,dec\n10,1\n11,2\n",
    "comments between": "ra,dec\n10,1\n# half way\n11,2\n",
    "blank lines": "\n# x\n\nra,dec\n10,1\n\n11,2\n",
    "a byte order mark": "\ufeffra,dec\n10,1\n11,2\n",
    "carriage returns": "# x\r\nra,dec\r\n10,1\r\n11,2\r\n",
    "blanks about names": " ra , dec\n10,1\n11,2\n",
    "quotes": '"ra","dec"\n"10","1"\n"11","2"\n',
    "ecsv": (
        "# %ECSV 1.0\n"
        "# ---\n"
        "# delimiter: ','\n"
        "# datatype:\n"
        "# - {name: ra, datatype: float64}\n"
        "# - {name: dec, datatype: float64}\n"
        "ra,dec\n"
        "10,1\n"
        "11,2\n"
    ),
    "units and dashes": "#VizieR\nra,dec\ndeg,deg\n---,---\n10,1\n11,2\n",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_table_is_read_as_it_was_meant(tmp_path, reader, text):
    (tmp_path / "a.csv").write_text(TEXTS[text])
    table, _ = READERS[reader](tmp_path / "a.csv")
    assert table["ra"].tolist() == [10, 11]
    assert table["dec"].tolist() == [1, 2]


def test_a_name_with_an_accent_in_latin_1_is_no_truncated_file(tmp_path):
    (tmp_path / "a.csv").write_bytes("ra,dec,name\n10,1,Zürich\n".encode("latin-1"))
    assert lenses(tmp_path / "a.csv")[0]["name"].tolist() == ["Zürich"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ra,dec\n10,1,x\n11,2,y\n", "more cells than its header has names"),
        (b"# a paper\n10,1,3\n11,2,4\n", r"begins with 1 lines of comment \(#\)"),
        (b"SIMPLE  =\0\0\0", "is no text"),
        (b"ra;dec\n10;1\n", r"lacks column\(s\).*ra;dec"),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_table_that_cannot_be_meant_is_refused_by_what_it_is(tmp_path, reader, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    if reader == "galaxy table":
        message = message.replace(r"lacks column\(s\).*", r"without ra, dec; found ")
    with pytest.raises(ValueError, match=message):
        READERS[reader](tmp_path / "a.csv")


@pytest.mark.parametrize("grade", ["definite", "A+", "grade A", "Sure"])
def test_a_grade_of_another_catalogue_is_mapped_in_the_run_file(tmp_path, grade):
    (tmp_path / "a.csv").write_text(f"ra,dec,grade\n10,1,{grade}\n11,1,confirmed\n12,1,probable\n")
    with pytest.raises(objects.ObjectsError, match=r"unknown grade\(s\).*under `grades` of the catalogue"):
        lenses(tmp_path / "a.csv")
    table, _ = lenses(tmp_path / "a.csv", grades={grade: "A", "probable": "literature"})
    assert table["tier"].astype(str).tolist() == ["A", "literature", "literature"]
