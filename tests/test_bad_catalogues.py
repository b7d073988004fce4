"""Whatever is wrong with a catalogue is named with its file and its rows, and no row is lost without a reason."""

import hashlib
import shutil

import fsspec
import numpy as np
import pandas as pd
import pytest
from test_leaves import raw_sky, settings_of, write_sweep

from lenscal import manifest, objects
from lenscal.gates import ABSENT, FAIL, PASS
from lenscal.io import checksums, sweeps
from lenscal.run import Place
from lenscal.run.stages import STAGES

NAME = "sweep-020m005-025p005.fits"
LENSES = """ra,dec,name,grade,reference,z
20.5,0.1,DESI-1,probable,Huang (2021),0.272?
21.5,0.1,DESI-2,confident,Storfer (2024),0.905? measured
21.5,0.1002,other,probable,Else,0.4
22.5,95.0,DESI-3,probable,Huang (2021),-
"""


@pytest.fixture(scope="module")
def raw():
    return raw_sky()[0].iloc[:1500].reset_index(drop=True)


def place_of(folder, files):
    for name, table in files.items():
        write_sweep(folder / "survey" / "south" / "sweep" / "10.1" / name, table)
    (folder / "lenses.csv").write_text(LENSES)
    settings = settings_of(folder, "run")
    catalogue = settings.objects.lenses[0].model_copy(update={"columns": {**settings.objects.lenses[0].columns, "zlens": "z"}})
    return Place(settings.model_copy(update={"objects": settings.objects.model_copy(update={"lenses": [catalogue]})}))


def imported(place):
    stage = STAGES["objects"]
    return stage.finish(place, [stage.work(place, block) for block in stage.blocks(place)])


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
        (NAME, "in"): 1000, (NAME, "out"): 994, (NAME, "position not finite"): 5, (NAME, "key out of range"): 1,
        ("sweep-025m005-030p005.fits", "in"): 507, ("sweep-025m005-030p005.fits", "out"): 500,
        ("sweep-025m005-030p005.fits", objects.TWICE): 7,
    }  # fmt: skip


def test_right_ascension_of_400_is_counted(tmp_path, raw):
    _, ledgers, _ = imported(place_of(tmp_path, {NAME: spoilt(raw, "RA", 9, 400.0)}))
    assert ledgers["galaxies"].dropped == {"RA outside [0, 360]": 9}


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
        (lambda t: t.rename(columns={"SHAPE_R": "SHAPE_RR"}), sweeps.SweepError, "lacks .*SHAPE_R"),
        (lambda t: t.drop(columns="SERSIC"), sweeps.SweepError, r"lacks 1 column\(s\): SERSIC"),
        (lambda t: t.assign(OBJID=t["OBJID"].astype("f4")), sweeps.SweepError, "OBJID is .*expected i4"),
    ],
)
def test_a_file_that_would_make_a_result_wrong_stops_its_block_by_name_and_leaves_nothing(tmp_path, raw, spoil, error, words):
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
def test_a_file_that_is_not_the_published_one_is_named_leaves_nothing_and_may_be_taken_on_request(tmp_path, raw, ending):
    place = place_of(tmp_path, {NAME + ending: raw, "sweep-025m005-030p005.fits": raw.iloc[:300]})
    sums(tmp_path)
    gates, ledgers, _ = imported(place)
    assert (checksum_gate(gates).verdict, checksum_gate(gates).evidence) == (PASS, "2 of 2 files have theirs")
    path = next((tmp_path / "survey").rglob(NAME + ending))
    good = path.read_bytes()
    write_sweep(tmp_path / "other.fits" / path.name, raw.assign(FLUX_W1=np.float32(2)))  # a sound file of other values
    path.write_bytes((tmp_path / "other.fits" / path.name).read_bytes())
    again = Place(place.settings.model_copy(update={"stores": tmp_path / "again"}))
    stage = STAGES["objects"]
    one, two = stage.blocks(again)
    with pytest.raises(sweeps.SweepError, match=rf"{NAME}{ending}' \(1,500 rows\) is not the file that the survey published: its SHA-256 is .*objects.checksums: false"):
        stage.work(again, one)
    stage.work(again, two)
    assert {path.name for path in again.folder.rglob("*.parquet") if "dataset" in str(path)} == {"sweep-025m005-030p005.parquet"}
    loose = again.settings.objects.model_copy(update={"checksums": False})
    gates, taken, _ = imported(Place(again.settings.model_copy(update={"objects": loose})))
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


def test_two_versions_of_the_sweeps_side_by_side_are_refused(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    folder = tmp_path / "survey" / "south" / "sweep"
    shutil.copytree(folder / "10.1", folder / "10.0")
    with pytest.raises(sweeps.SweepError, match=r"10\.0.*10\.1.* have one name; leave one version"):
        STAGES["objects"].blocks(place)


def test_text_redshifts_and_overlapping_catalogues_are_counted_by_catalogue(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    _, ledgers, _ = imported(place)
    assert ledgers["lenses.tests"].dropped == {"position off the sphere": 1}
    assert ledgers["lenses"].dropped == {"merged into another entry": 1}
    table = place.table("objects/catalogues.parquet").set_index(["catalogue", "what"])["rows"].to_dict()
    assert table == {("tests", "in"): 4, ("tests", "out"): 3, ("tests", "position off the sphere"): 1, ("tests", "redshift unreadable"): 2}
    assert place.lenses.set_index("name")["zlens"].to_dict() == pytest.approx({"DESI-1": np.nan, "DESI-2": 0.4}, nan_ok=True)


def test_sweeps_are_read_from_an_address_as_from_a_folder(tmp_path, raw):
    place = place_of(tmp_path, {NAME: raw})
    path = next((tmp_path / "survey").rglob(NAME))
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/dr10/south/sweep/10.1/{NAME}", path.read_bytes())
    memory.pipe("/dr10/south/sweep/10.1/sweep-020m005-025p005-pz.fits", b"companion")
    try:
        assert [sweeps.name_of(p) for p in sweeps.sweep_files("memory://dr10")] == [NAME]
        (address,) = sweeps.sweep_files("memory://dr10")
        pd.testing.assert_frame_equal(sweeps.read_sweep(address, rows=(100, 900)), sweeps.read_sweep(path, rows=(100, 900)))
        near, far = imported(place), None
        survey = place.settings.survey.model_copy(update={"root": "memory://dr10"})
        other = Place(place.settings.model_copy(update={"survey": survey, "stores": tmp_path / "far"}))
        far = imported(other)
        assert far[1] == near[1]
        assert far[2] == near[2]
        memory.pipe(f"/dr10/south/sweep/10.1/{NAME}", path.read_bytes()[:-9000])
        with pytest.raises(sweeps.SweepError, match="truncated"):
            sweeps.read_sweep(address)
    finally:
        memory.rm("/dr10", recursive=True)
