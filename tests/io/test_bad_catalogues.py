"""Whatever is wrong with a catalogue is named with its file and its rows, and no row is lost without a reason."""

import hashlib
import re
import zlib

import fsspec
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from files_server import serving
from imported import NAME, imported, place_of
from raw_skies import raw_sky, write_sweep

from lenscal import manifest, objects
from lenscal.audit import Run, catalogue, published, run
from lenscal.audit.stages import STAGES
from lenscal.gates import ABSENT, FAIL, PASS
from lenscal.io import checksums, sweeps


@pytest.fixture(scope="module")
def raw():
    return raw_sky()[0].iloc[:1500].reset_index(drop=True)


def spoilt(raw, column, rows, value):
    table = raw.copy()
    table.loc[table.index[:rows], column] = value
    return table


def test_rows_without_a_place_or_key_go_with_their_reason_file_by_file(tmp_path, raw):
    table = spoilt(spoilt(spoilt(raw, "RA", 3, 400.0), "DEC", 5, np.nan), "BRICKID", 6, -1)
    again = pd.concat([raw.iloc[1000:], raw.iloc[1000:1007]])
    place = place_of(tmp_path, {NAME: table.iloc[:1000], "sweep-025m005-030p005.fits": again})
    gates, ledgers, _ = imported(place)
    assert ledgers["galaxies"].missing == 0
    assert not [g for g in gates if g.id.startswith("rows.") and g.verdict != PASS]
    files = place.table("objects/files.parquet").set_index(["sweep_file", "what"])["rows"].to_dict()
    assert files == {
        (NAME, "in"): 1000,
        (NAME, "out"): 994,
        (NAME, "position not finite"): 5,
        (NAME, "key out of range"): 1,
        ("sweep-025m005-030p005.fits", "in"): 507,
        ("sweep-025m005-030p005.fits", "out"): 500,
        ("sweep-025m005-030p005.fits", objects.TWICE): 7,
    }


def cut(path, rows):
    """A file that ends three bytes into the row after so many."""
    with fits.open(path) as hdus:
        start, width = hdus[1].fileinfo()["datLoc"], hdus[1].header["NAXIS1"]
    path.write_bytes(path.read_bytes()[: start + rows * width + 3])


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def depths(table, value, stray=()):
    out = table.assign(**{name: np.float32(value) for name in objects.DEPTHS})
    out.loc[out.index[list(stray)], "PSFDEPTH_R"] = np.float32(55)
    return out


OTHER = "ra,dec,name,grade,reference,z\n21.5,0.1001,again,confident,Else,0.905\n23.5,0.1,new,probable,Else,0.3\n"
BAD = {
    "truncated": (
        {"after": lambda path: cut(path, 700)},
        [rf"{NAME}' is truncated: 700 of the 1,500 rows that its header promises are there; fetch it again"],
    ),
    "truncated and packed": (
        {"name": f"{NAME}.gz", "after": half},
        [rf"{NAME}\.gz' cannot be read .*: HELD of the 1,500 rows that its header promises are there"],
    ),
    "truncated in its header": (
        {"after": lambda path: path.write_bytes(path.read_bytes()[:4000])},
        [rf"{NAME}' cannot be read .*: its header cannot be read, nor any row"],
    ),
    "another file": (
        {"after": lambda path: path.write_text("<html>404</html>")},
        [rf"{NAME}' cannot be read .*does not begin as a FITS file does.*nor any row"],
    ),
    "a column renamed": (
        {"spoil": lambda t: t.rename(columns={"SHAPE_R": "SHAPE_RR"})},
        [rf"{NAME}' \(1,500 rows\) lacks 1 column\(s\): SHAPE_R \(SHAPE_RR looks like SHAPE_R\)"],
    ),
    "a column missing": (
        {"spoil": lambda t: t.drop(columns="SERSIC")},
        [rf"{NAME}' \(1,500 rows\) lacks 1 column\(s\): SERSIC"],
    ),
    "another dtype": (
        {"spoil": lambda t: t.assign(OBJID=t["OBJID"].astype("f4"))},
        [rf"{NAME}' \(1,500 rows\): column OBJID is .*, expected i4"],
    ),
    "RA of 400": (
        {"spoil": lambda t: spoilt(t, "RA", 9, 400.0)},
        [rf"{NAME}: in 1500", rf"{NAME}: out 1491", rf"{NAME}: RA outside \[0, 360\] 9", rf"9 of the 1,500 of {NAME}"],
    ),
    "NaN positions": (
        {"spoil": lambda t: spoilt(t, "DEC", 5, np.nan)},
        [rf"{NAME}: position not finite 5", rf"{NAME}: out 1495"],
    ),
    "duplicated keys": (
        {"spoil": lambda t: pd.concat([t, t.iloc[:7]])},
        [rf"{NAME}: in 1507", rf"{NAME}: key twice in the file 7", rf"{NAME}: out 1500"],
    ),
    "duplicated keys in another file": (
        {"more": lambda t: t.iloc[:40]},
        [r"repeated in sweep-025m005-030p005\.fits: 40"],
    ),
    "no row": (
        {"more": lambda t: t.iloc[:0]},
        [r"sweep-025m005-030p005\.fits: in 0", r"the first without a row: sweep-025m005-030p005\.fits \(0 in\)"],
    ),
    "one depth in magnitudes": (
        {"spoil": lambda t: t.assign(GALDEPTH_R=np.float32(24))},
        [
            rf"{NAME}': GALDEPTH_R over PSFDEPTH_R lies outside .* in 1,500 of 1,500 rows from row 0 "
            rf"on \(0\.024 in the median\)"
        ],
    ),
    "one depth in magnitudes in most rows": (
        {"spoil": lambda t: t.assign(PSFDEPTH_Z=np.where(np.arange(1500) < 1200, 24, 1000).astype("f4"))},
        [rf"{NAME}': GALDEPTH_Z over PSFDEPTH_Z lies outside .* in 1,200 of 1,500 rows"],
    ),
    "magnitudes but for three": (
        {"spoil": lambda t: depths(t, 24, (3, 4, 900))},
        [rf"{NAME}' \(1,500 rows\): 3 of 9,000 depths can be no magnitudes"],
    ),
    "redshifts as text": ({}, [r"lenses\.csv: in 4", r"lenses\.csv: redshift unreadable 2", r"lenses\.csv: out 3"]),
    "a lens off the sphere": ({}, [r"lenses\.csv: position off the sphere 1"]),
    "catalogues that overlap": (
        {"lenses": OTHER},
        [
            r"lenses\.csv: merged into another entry 2",
            r"other\.csv: in 2",
            r"other\.csv: merged into another entry 0",
            r"dropped: merged into another entry 2",
        ],
    ),
    "a lens catalogue in sexagesimal": (
        {"lenses": "ra,dec,name,grade,reference,z\n10:20:30,-3:10:5,a,probable,x,1\n"},
        [
            r"lens catalogue 'other': none of 1 rows has a position on the sphere \(the first is at '10:20:30', "
            r"'-3:10:5'\); expected ra and dec in degrees; sexagesimal texts are declared as "
            r"units: \{ra: hms, dec: dms\} of the catalogue in the run file"
        ],
    ),
    "a lens catalogue without a column": (
        {"lenses": "ra,name\n1,a\n2,b\n"},
        [r"lens catalogue 'other' \(.*other\.csv\), 2 rows, lacks column\(s\) dec"],
    ),
    "a grade of another kind": (
        {"lenses": OTHER.replace("confident", "maybe")},
        [r"lens catalogue 'other': 1 of 2 rows have unknown grade\(s\) \['maybe'\]"],
    ),
}


def told(place):
    """All that an import says: its error, or every row of its accounts and the evidence of its gates, once
    every row is accounted for.
    """
    try:
        gates, ledgers, _ = imported(place)
    except (ValueError, RuntimeError) as error:
        return str(error)
    conserved = [gate for gate in gates if gate.id.startswith("rows.")]
    assert {gate.id.removeprefix("rows.objects.") for gate in conserved} == set(ledgers)
    assert all(gate.verdict == PASS and gate.value == 0 for gate in conserved)
    files, catalogues, repeated = (
        place.table(f"objects/{name}.parquet") for name in ("files", "catalogues", "repeated")
    )
    rows_in = files["what"].eq("in")
    assert (
        files[rows_in].set_index("sweep_file")["rows"].to_dict()
        == files[~rows_in].groupby("sweep_file")["rows"].sum().to_dict()
    )
    lines = [f"{row.sweep_file}: {row.what} {row.rows}" for row in files.itertuples()]
    lines += [f"{row.file}: {row.what} {row.rows}" for row in catalogues.itertuples()]
    lines += [f"repeated in {name}: {rows}" for name, rows in repeated["sweep_file"].value_counts().items()]
    return "\n".join([*lines, *(gate.evidence for gate in gates)])


@pytest.mark.parametrize("case", BAD)
def test_whatever_is_wrong_is_named_with_its_file_and_rows_and_nothing_is_lost(tmp_path, raw, case):
    what, expected = BAD[case]
    name = what.get("name", NAME)
    files = {name: what.get("spoil", lambda t: t)(raw)}
    if "more" in what:
        files["sweep-025m005-030p005.fits"] = what["more"](raw)
    place = place_of(tmp_path, files)
    if "lenses" in what:
        (tmp_path / "other.csv").write_text(what["lenses"])
        lenses = place.settings.objects.lenses
        other = lenses[0].model_copy(update={"name": "other", "source": str(tmp_path / "other.csv")})
        place = Run(
            place.settings.model_copy(
                update={"objects": place.settings.objects.model_copy(update={"lenses": [*lenses, other]})}
            )
        )
    held = "HELD"
    if "after" in what:
        path = next((tmp_path / "survey").rglob(name))
        what["after"](path)
        if name.endswith(".gz"):
            content = zlib.decompressobj(31).decompress(path.read_bytes())
            header = fits.Header.fromstring(content[2880 : content.index(b"END" + b" " * 77, 2880) + 80].decode())
            held = f"{(len(content) - 2880 - -(-len(header.tostring()) // 2880) * 2880) // header['NAXIS1']:,}"
    said = told(place)
    for words in expected:
        assert re.search(words.replace("HELD", held), said), f"{words}\n---\n{said}"


def test_a_sweep_without_rows_is_read_and_an_empty_survey_stops_the_sample(tmp_path, raw):
    place = place_of(tmp_path / "one", {NAME: raw, "sweep-025m005-030p005.fits": raw.iloc[:0]})
    _, ledgers, _ = imported(place)
    assert ledgers["galaxies"].rows_out == 1500
    files = place.table("objects/files.parquet").set_index(["sweep_file", "what"])["rows"]
    assert files["sweep-025m005-030p005.fits", "in"] == 0
    empty = place_of(tmp_path / "none", {NAME: raw.iloc[:0]})
    imported(empty)
    with pytest.raises(manifest.ManifestError, match=r"holds no galaxy; check survey\.root"):
        STAGES["manifest"].finish(empty, [])


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda t: t.assign(GALDEPTH_R=np.float32(24.0)), objects.ObjectsError, "GALDEPTH_R over PSFDEPTH_R"),
        (lambda t: depths(t, 24, [3]), objects.ObjectsError, "1 of 9,000 depths"),
        (lambda t: t.rename(columns={"SHAPE_R": "SHAPE_RR"}), sweeps.SweepError, "lacks .*SHAPE_R"),
        (lambda t: t.drop(columns="SERSIC"), sweeps.SweepError, r"lacks 1 column\(s\): SERSIC"),
        (lambda t: t.assign(OBJID=t["OBJID"].astype("f4")), sweeps.SweepError, "OBJID is .*expected i4"),
    ],
)
def test_a_file_that_would_make_a_result_wrong_stops_its_block_by_name_and_leaves_nothing(
    tmp_path, raw, spoil, error, words
):
    place = place_of(tmp_path, {NAME: spoil(raw)})
    with pytest.raises(error, match=rf"{NAME}'.*{words}"):
        imported(place)
    assert not list(place.folder.rglob("*.parquet"))


def test_a_truncated_file_stops_its_block_by_name_and_is_taken_once_mended(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    path = next((tmp_path / "survey").rglob(NAME))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(sweeps.SweepError, match=f"{NAME}' .*truncated"):
        imported(place)
    path.write_bytes(whole)
    _, ledgers, _ = imported(place)
    assert ledgers["galaxies"].rows_out == 1500


def sums(folder, names=None):
    """A list as the survey publishes one, beside the sweeps."""
    paths = sorted(path for path in (folder / "survey").rglob("sweep-*") if names is None or path.name in names)
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()} *{path.name}\n" for path in paths)
    (paths[0].parent / "legacysurvey_dr10_south_sweep_10.1.sha256sum").write_text("".join(lines))


def checksum_gate(gates):
    return next(gate for gate in gates if gate.id == "objects.checksums")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_file_that_is_not_the_published_one_is_named_leaves_nothing_and_may_be_taken_on_request(
    tmp_path, raw, ending
):
    place = place_of(tmp_path, {NAME + ending: raw, "sweep-025m005-030p005.fits": raw.iloc[:300]})
    sums(tmp_path)
    gates, ledgers, _ = imported(place)
    assert (checksum_gate(gates).verdict, checksum_gate(gates).evidence) == (PASS, "2 of 2 files have theirs")
    path = next((tmp_path / "survey").rglob(NAME + ending))
    good = path.read_bytes()
    write_sweep(tmp_path / "other.fits" / path.name, raw.assign(FLUX_W1=np.float32(2)))  # a sound file of other values
    path.write_bytes((tmp_path / "other.fits" / path.name).read_bytes())
    again = Run(place.settings.model_copy(update={"stores": tmp_path / "again"}))
    stage = STAGES["objects"]
    one, two = stage.blocks(again)
    with pytest.raises(
        sweeps.SweepError,
        match=(
            rf"{NAME}{ending}' \(1,500 rows\) is not the file that the survey published: its SHA-256 is "
            rf".*objects.checksums: false"
        ),
    ):
        stage.work(again, one)
    stage.work(again, two)
    assert {path.name for path in again.folder.rglob("*.parquet") if "dataset" in str(path)} == {
        "sweep-025m005-030p005.parquet"
    }
    loose = again.settings.objects.model_copy(update={"checksums": False})
    gates, taken, _ = imported(Run(again.settings.model_copy(update={"objects": loose})))
    assert (checksum_gate(gates).verdict, checksum_gate(gates).evidence) == (ABSENT, "objects.checksums is off")
    assert taken["galaxies"] == ledgers["galaxies"]
    path.write_bytes(good)
    assert checksum_gate(imported(again)[0]).verdict == PASS


def test_a_file_that_no_list_names_fails_the_gate_and_no_list_leaves_it_open(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw.iloc[:300], "sweep-025m005-030p005.fits": raw.iloc[300:500]})
    assert checksum_gate(imported(place)[0]).verdict == ABSENT
    sums(tmp_path, [NAME])
    gate = checksum_gate(imported(place)[0])
    assert (gate.verdict, gate.value) == (FAIL, 1)
    assert gate.evidence.endswith("the first without: sweep-025m005-030p005.fits")


@pytest.fixture
def read(monkeypatch):
    """Names of the sweep files that were imported, and of those that were only held against a checksum."""
    found = {"imported": [], "checked": []}
    import_sweep, verified = catalogue.import_sweep, published.verified

    def importing(place, path, name):
        found["imported"].append(name)
        return import_sweep(place, path, name)

    def checking(place, path, outcome):
        again = verified(place, path, outcome)
        found["checked"] += [sweeps.stem_of(path)] if again else []
        return again

    monkeypatch.setattr(catalogue, "import_sweep", importing)
    monkeypatch.setattr(published, "verified", checking)
    return found


def ran(place):
    """The stage objects as a run does it, its gate of checksums, and what was read meanwhile."""
    result = run(place.settings, ["objects"])
    return result.stages[0], checksum_gate(result.gates)


def with_checksums(place, wanted):
    return Run(
        place.settings.model_copy(update={"objects": place.settings.objects.model_copy(update={"checksums": wanted})})
    )


def test_checksums_asked_for_later_are_held_against_the_files_that_were_imported_without_them(
    tmp_path, raw, here, read
):
    names = [NAME, "sweep-025m005-030p005.fits", "sweep-030m005-035p005.fits"]
    place = place_of(tmp_path, {name: raw.iloc[i * 300 : i * 300 + 300] for i, name in enumerate(names)})
    sums(tmp_path, names[:2])
    loose, strict = with_checksums(place, False), with_checksums(place, True)
    first, gate = ran(loose)
    assert (gate.verdict, gate.evidence) == (ABSENT, "objects.checksums is off")
    assert len(read["imported"]) == 3
    leaves = {
        path: path.stat().st_mtime_ns for path in place.path("objects").rglob("*.parquet") if "dataset" in str(path)
    }
    second, gate = ran(strict)
    assert (gate.verdict, gate.value, gate.evidence) == (
        FAIL,
        1,
        f"2 of 3 files have theirs; the first without: {names[2]}",
    )
    assert (len(read["imported"]), read["checked"]) == (3, [sweeps.stem_of(name) for name in names[:2]])
    assert second.digest == first.digest
    assert {path: path.stat().st_mtime_ns for path in leaves} == leaves
    third, gate = ran(strict)
    assert (third.state, gate.verdict) == ("was complete", FAIL)
    sums(tmp_path)  # the list now names the third, too
    assert ran(strict)[1].verdict == PASS
    assert (len(read["imported"]), len(read["checked"])) == (3, 3)
    assert ran(loose)[1].evidence == "3 of 3 files have theirs"  # what was held against its checksum stays so


def test_a_file_that_fails_its_late_checksum_is_named_and_the_others_are_not_read_again(tmp_path, raw, here, read):
    names = [NAME, "sweep-025m005-030p005.fits"]
    place = place_of(tmp_path, {name: raw.iloc[i * 300 : i * 300 + 300] for i, name in enumerate(names)})
    loose, strict = with_checksums(place, False), with_checksums(place, True)
    ran(loose)
    sums(tmp_path)
    path = next((tmp_path / "survey").rglob(names[1]))
    good = path.read_bytes()
    sums(tmp_path)
    listed = next((tmp_path / "survey").rglob("*.sha256sum"))
    wrong = hashlib.sha256(good).hexdigest()
    listed.write_text(listed.read_text().replace(wrong, wrong[::-1]))
    with pytest.raises(sweeps.SweepError, match=rf"{names[1]}' \(300 rows\) is not the file that the survey published"):
        ran(strict)
    assert (len(read["imported"]), read["checked"]) == (2, [sweeps.stem_of(NAME)])
    listed.write_text(listed.read_text().replace(wrong[::-1], wrong))
    assert ran(strict)[1].verdict == PASS
    assert (len(read["imported"]), read["checked"]) == (2, [sweeps.stem_of(name) for name in names])


def test_a_file_that_was_replaced_since_its_import_is_imported_again_before_it_counts_as_held(
    tmp_path, raw, here, read
):
    place = place_of(tmp_path, {NAME: raw.iloc[:300]})
    path = next((tmp_path / "survey").rglob(NAME))
    good = path.read_bytes()
    path.unlink()
    write_sweep(path, raw.iloc[:300].assign(FLUX_W1=np.float32(2)))  # as long, sound, and not what was published
    ran(with_checksums(place, False))
    spoiled = path.read_bytes()
    assert len(spoiled) == len(good)
    path.write_bytes(good)
    sums(tmp_path)
    _, gate = ran(with_checksums(place, True))
    assert gate.verdict == PASS
    assert (read["imported"], read["checked"]) == ([sweeps.stem_of(NAME)] * 2, [])
    assert place.galaxies.where(["flux_w1"], lambda t: np.ones(len(t), bool))["flux_w1"].unique().tolist() == [1]


def test_sweeps_that_the_survey_lists_and_that_are_not_here_are_counted(tmp_path, raw):
    place = place_of(
        tmp_path,
        {
            NAME: raw.iloc[:300],
            "sweep-025m005-030p005.fits": raw.iloc[300:500],
            "sweep-030m005-035p005.fits": raw.iloc[500:600],
        },
    )
    sums(tmp_path)
    listed = next((tmp_path / "survey").rglob("*.sha256sum"))
    listed.write_text(
        listed.read_text() + f"{'0' * 64} *sweep-030m005-035p005-pz.fits\n"
    )  # a companion, which is never read
    next((tmp_path / "survey").rglob("sweep-025*")).unlink()
    gate = checksum_gate(imported(place)[0])
    assert (gate.verdict, gate.evidence) == (
        PASS,
        "2 of 2 files have theirs; 1 listed and not here, the first: sweep-025m005-030p005.fits",
    )


def test_a_list_that_is_none_is_refused_by_its_line(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw.iloc[:300]})
    sums(tmp_path)
    names = next((tmp_path / "survey").rglob("*.sha256sum"))
    names.write_text(names.read_text() + f"<html>404</html> {NAME}\n")
    with pytest.raises(checksums.ChecksumError, match=r"10\.1\.sha256sum', line 2, is '<html>.*expected a SHA-256"):
        imported(place)
    names.write_text(f"{'0' * 64}  {NAME}\n")
    (tmp_path / "survey" / "SHA256SUMS").write_text(f"{'1' * 64}  south/sweep/10.1/{NAME}\n")
    with pytest.raises(checksums.ChecksumError, match=rf"give other checksums of '{NAME}'"):
        imported(place)


@pytest.mark.parametrize("place", ["folder", "file", "http"])
def test_of_two_versions_of_the_sweeps_side_by_side_the_newest_is_read_wherever_they_lie(tmp_path, raw, place):
    folder = tmp_path / "survey" / "south" / "sweep"
    for version in ("9.0", "10.0", "10.1"):
        write_sweep(folder / version / NAME, raw.iloc[:9])
    write_sweep(folder / "10.1" / "sweep-025m005-030p005.fits", raw.iloc[:9])
    (folder / "10.1-photo-z").mkdir()
    with serving(tmp_path / "survey") as server:
        root = {"folder": tmp_path / "survey", "file": f"file://{tmp_path}/survey", "http": server.address}[place]
        assert [str(path).split("/sweep/")[-1] for path in sweeps.sweep_files(root)] == [
            f"10.1/{NAME}",
            "10.1/sweep-025m005-030p005.fits",
        ]
        (folder / "10.1" / NAME).unlink()
        with pytest.raises(
            sweeps.SweepError,
            match=(
                rf"version 10\.1 of the sweeps lacks 1 files that 9\.0 has, the first: {NAME[:-5]}; copy "
                rf"them, or leave one of sweep/10\.1"
            ),
        ):
            sweeps.sweep_files(root)
        write_sweep(folder / "10.1" / NAME, raw.iloc[:9])
        (folder / "10.1" / f"{NAME}.gz").write_bytes(b"")
        with pytest.raises(sweeps.SweepError, match=r"have one name; leave one of them below survey.root"):
            sweeps.sweep_files(root)


LAYOUTS = {
    "a version": ["south/sweep/10.1/{}"],
    "no version": ["sweep/{}"],
    "the root": ["{}"],
    "a version in the root": ["10.1/{}"],
    "two regions": ["south/sweep/10.1/{}", "north/sweep/10.1/{}"],
}


@pytest.mark.parametrize("kind", ["folders", "linked version", "linked files"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_and_an_address_have_the_same_sweeps(tmp_path, raw, layout, kind):
    names = [NAME, "sweep-025m005-030p005.fits"]
    root, store = tmp_path / "survey", tmp_path / "store"
    for pattern, name in zip(LAYOUTS[layout], names):
        path = root / pattern.format(name)
        if kind == "folders":
            write_sweep(path, raw.iloc[:9])
            continue
        kept = store / pattern.format(name)
        write_sweep(kept, raw.iloc[:9])
        here, there = (path, kept) if kind == "linked files" else (path.parent, kept.parent)
        here.parent.mkdir(parents=True, exist_ok=True)
        if here != root:
            here.symlink_to(there)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(kept)
    with serving(root) as server:
        found = [
            [str(path).removeprefix(str(place)).lstrip("/") for path in sweeps.sweep_files(place)]
            for place in (root, f"file://{root}", server.address)
        ]
    assert found[0] == found[1] == found[2] == [p.format(name) for p, name in zip(LAYOUTS[layout], names)]


def test_text_redshifts_and_overlapping_catalogues_are_counted_by_catalogue(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    _, ledgers, _ = imported(place)
    assert ledgers["lenses.tests"].dropped == {"position off the sphere": 1}
    assert ledgers["lenses"].dropped == {"merged into another entry": 1}
    table = place.table("objects/catalogues.parquet")
    assert set(table["catalogue"] + " " + table["file"]) == {"tests lenses.csv"}
    counts = {"in": 4, "out": 3, "position off the sphere": 1, "redshift unreadable": 2, "merged into another entry": 1}
    assert table.set_index("what")["rows"].to_dict() == counts
    assert place.lenses.set_index("name")["zlens"].to_dict() == pytest.approx(
        {"DESI-1": np.nan, "DESI-2": 0.4}, nan_ok=True
    )


def test_sweeps_are_read_from_an_address_as_from_a_folder(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    path = next((tmp_path / "survey").rglob(NAME))
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/dr10/south/sweep/10.1/{NAME}", path.read_bytes())
    memory.pipe("/dr10/south/sweep/10.1/sweep-020m005-025p005-pz.fits", b"companion")
    try:
        assert [sweeps.name_of(p) for p in sweeps.sweep_files("memory://dr10")] == [NAME]
        (address,) = sweeps.sweep_files("memory://dr10")
        pd.testing.assert_frame_equal(
            sweeps.read_sweep(address, rows=(100, 900)), sweeps.read_sweep(path, rows=(100, 900))
        )
        near, far = imported(place), None
        survey = place.settings.survey.model_copy(update={"root": "memory://dr10"})
        other = Run(place.settings.model_copy(update={"survey": survey, "stores": tmp_path / "far"}))
        far = imported(other)
        assert far[1] == near[1]
        assert far[2] == near[2]
        memory.pipe(f"/dr10/south/sweep/10.1/{NAME}", path.read_bytes()[:-9000])
        with pytest.raises(sweeps.SweepError, match="truncated"):
            sweeps.read_sweep(address)
    finally:
        memory.rm("/dr10", recursive=True)
