"""Bricks at an address are the bricks of a folder: the same pixels, fetched when they are needed, and again when they
changed.
"""

import pickle
import shutil

import numpy as np
import pytest
from brick_files import sky, table, write_survey
from bucket import serving_buckets
from contracts import check_survey

from lenscal import config
from lenscal.audit.surveys import survey_of
from lenscal.io.survey import CoaddSurvey, FetchedCoadds, SurveyError, fetched


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("survey")
    write_survey(root)
    return root


@pytest.fixture
def far(root):
    return FetchedCoadds(f"file://{root}", "ls-dr10-south")


ROWS = [sky(60, 70), sky(81.3, 90.6), sky(-500, 20)]


def test_bricks_at_an_address_keep_the_contract_of_surveys(far, tmp_path):
    check_survey(far, table(*ROWS[:2]), tmp_path)


def test_pixels_reasons_and_places_are_those_of_the_folder(root, far):
    near = CoaddSurvey(root, "ls-dr10-south").read(table(*ROWS), 21)
    found = far.read(table(*ROWS), 21)
    assert found.identical(near)


def test_pixels_come_from_a_bucket(root, monkeypatch):
    with serving_buckets() as server:
        server.point_to(monkeypatch)
        server.make("survey")
        for path in root.rglob("*.fits*"):
            server.client.upload_file(str(path), "survey", f"dr10/{path.relative_to(root).as_posix()}")
        server.faults = {server.number + 5: 503, server.number + 9: 500}
        far = FetchedCoadds("s3://survey/dr10", "ls-dr10-south")
        near = CoaddSurvey(root, "ls-dr10-south")
        assert far.read(table(*ROWS), 21).identical(near.read(table(*ROWS), 21))
        assert far.bricks().equals(near.bricks())


def test_a_brick_that_changes_is_another_version_and_is_fetched_again(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    far = FetchedCoadds(f"file://{tmp_path / 'copy'}", "ls-dr10-south")
    rows = table(sky(60, 70))
    before, version = far.read(rows, 9), far.version("1499p000")
    name = str(before["cutout_url"].values[0]).split("/")[3]
    version = far.version(name)
    plane = next((tmp_path / "copy").rglob(f"legacysurvey-{name}-image-g.fits.fz"))
    other = next(path for path in (tmp_path / "copy").rglob("*-image-g.fits.fz") if name not in path.name)
    plane.write_bytes(other.read_bytes())
    assert far.version(name) != version
    assert not np.array_equal(far.read(rows, 9)["image"].values, before["image"].values, equal_nan=True)
    assert far.version("0000p000") == "absent"


def test_no_more_bricks_are_kept_than_are_needed(far, monkeypatch):
    monkeypatch.setattr(fetched, "KEPT", 1)
    far.read(table(*ROWS[:2]), 21)
    assert len(list(far.root.glob("south/coadd/*/*"))) == 1


def test_an_address_without_bricks_or_tables_is_refused(root, tmp_path):
    with pytest.raises(SurveyError, match="has no table of bricks"):
        FetchedCoadds(f"file://{tmp_path}", "ls-dr10-south").check()
    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "south" / "coadd")
    with pytest.raises(
        SurveyError, match=r"lists 3 bricks and has the files of none that was looked for; the first: \d"
    ):
        FetchedCoadds(f"file://{tmp_path / 'copy'}", "ls-dr10-south").check()


def test_a_survey_at_an_address_travels_to_a_worker_by_its_address_and_a_run_file_names_it(far, tmp_path):
    assert pickle.loads(pickle.dumps(far))._address == far._address
    path = tmp_path / "run.yaml"
    lenses = "lenses: [{name: l, source: lenscat, format: lenscat, channel: literature}]"
    path.write_text(f"{{name: a, seed: 1, stores: x, survey: {{root: 's3://survey/dr10'}}, objects: {{{lenses}}}}}")
    assert isinstance(survey_of(config.load(path)), FetchedCoadds)
