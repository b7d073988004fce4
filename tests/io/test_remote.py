"""An address gives the rows that a folder gives, a range of bytes at a time, whatever its server does, or says
in one sentence why not.
"""

import hashlib
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bucket import serving_buckets
from files_server import serving
from imported import NAME, imported, place_of
from raw_skies import raw_sky

from lenscal.audit import Run
from lenscal.io import remote, sweeps

PLACE = f"south/sweep/10.1/{NAME}"


@pytest.fixture(scope="module")
def raw():
    return raw_sky()[0].iloc[:1500].reset_index(drop=True)


@pytest.fixture(scope="module")
def near(tmp_path_factory, raw):
    """A survey in a folder, imported."""
    place = place_of(tmp_path_factory.mktemp("near"), {NAME: raw})
    return place, imported(place)


@pytest.fixture
def files(near, monkeypatch):
    monkeypatch.setattr(remote, "_WAIT_S", 0.01)
    monkeypatch.setattr(remote, "_BLOCK", 1 << 16)
    with serving(Path(near[0].settings.survey.root)) as server:
        yield server


def moved(place, root, folder):
    survey = place.settings.survey.model_copy(update={"root": root})
    return Run(place.settings.model_copy(update={"survey": survey, "stores": folder}))


def rows_of(near, part=(0, None)):
    return sweeps.read_sweep(f"{near[0].settings.survey.root}/{PLACE}", rows=part)


def test_a_survey_at_an_address_is_imported_as_from_a_folder(near, files, tmp_path):
    assert [sweeps.name_of(path) for path in sweeps.sweep_files(files.address)] == [NAME]
    far = imported(moved(near[0], files.address, tmp_path / "far"))
    assert (far[1], far[2]) == (near[1][1], near[1][2])


def test_a_file_at_an_address_is_held_against_its_checksum_while_it_is_read_once(near, files, tmp_path):
    folder = Path(near[0].settings.survey.root) / PLACE
    names = folder.with_name("list.sha256sum")
    digest = hashlib.sha256(folder.read_bytes()).hexdigest()
    try:
        names.write_text(f"{digest}  {NAME}\n")
        assert imported(moved(near[0], files.address, tmp_path / "far"))[2] == near[1][2]
        fetched = [stop - start for start, stop in files.sent]
        assert sum(fetched) < 1.5 * folder.stat().st_size
        names.write_text(f"{digest[::-1]}  {NAME}\n")
        with pytest.raises(sweeps.SweepError, match=f"{NAME}' .*is not the file that the survey published"):
            imported(moved(near[0], files.address, tmp_path / "other"))
    finally:
        names.unlink()


@pytest.mark.parametrize("faults", [[500], [503, 503, 429], ["cut"], [None, "cut", "cut", 500], [None, 502]])
def test_what_fails_some_times_is_asked_again_and_no_row_differs(near, files, faults):
    files.faults = list(faults)
    pd.testing.assert_frame_equal(sweeps.read_sweep(f"{files.address}/{PLACE}"), rows_of(near))
    assert files.faults == []


def test_a_server_that_is_silent_is_left_and_asked_again(near, files, monkeypatch):
    monkeypatch.setattr(remote, "_SILENCE_S", 0.3)
    files.faults = [None, "slow"]
    pd.testing.assert_frame_equal(sweeps.read_sweep(f"{files.address}/{PLACE}?again"), rows_of(near))
    assert files.faults == []


@pytest.mark.parametrize("always", [500, "cut"])
def test_a_server_that_never_answers_is_named_with_the_file(files, always):
    files.always = always
    with pytest.raises(sweeps.SweepError, match=rf"127\.0\.0\.1.*{NAME}'.*5 times in a row; check the address"):
        sweeps.read_sweep(f"{files.address}/{PLACE}")


def test_a_server_without_ranges_is_refused_with_what_to_do(files):
    files.ranges = False
    with pytest.raises(sweeps.SweepError, match=rf"{NAME}' is on a server that gives no ranges of bytes; fetch it"):
        sweeps.read_sweep(f"{files.address}/{PLACE}")


def test_a_file_that_is_not_there_is_said_at_once(files):
    with pytest.raises(sweeps.SweepError, match=r"sweep-000p000-005p005\.fits' cannot be read"):
        sweeps.read_sweep(f"{files.address}/sweep-000p000-005p005.fits")
    with pytest.raises(sweeps.SweepError, match="no sweep file"):
        sweeps.sweep_files(f"{files.address}/elsewhere")


def test_a_part_of_the_rows_is_fetched_as_a_part_of_the_bytes(near, files):
    size = os.path.getsize(f"{near[0].settings.survey.root}/{PLACE}")
    part = sweeps.read_sweep(f"{files.address}/{PLACE}", ["RA", "TYPE"], rows=(1200, 1210))
    np.testing.assert_array_equal(part["RA"], rows_of(near, (1200, 1210))["RA"])
    fetched = sum(stop - start for start, stop in files.sent)
    assert size > 300_000
    assert fetched < 0.7 * size
    assert max(stop - start for start, stop in files.sent) <= 4 * (1 << 16)


def test_memory_is_that_of_a_range_not_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_BLOCK", 1 << 20)
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    with serving(tmp_path) as server, remote.RemoteFile(f"{server.address}/large") as far:
        tracemalloc.start()
        for _ in range(64):
            assert far.read(1 << 20) == bytes(1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_survey_in_a_bucket_is_imported_as_from_a_folder(near, tmp_path, monkeypatch):
    with serving_buckets() as buckets:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": buckets.address,
        }.items():
            monkeypatch.setenv(name, value)
        buckets.make("survey")
        with open(f"{near[0].settings.survey.root}/{PLACE}", "rb") as file:
            buckets.client.put_object(Bucket="survey", Key=f"dr10/{PLACE}", Body=file.read())
        monkeypatch.setattr(remote, "_BLOCK", 1 << 16)
        buckets.faults = {2: 500, 4: 503}
        far = imported(moved(near[0], "s3://survey/dr10", tmp_path / "far"))
        assert buckets.faults == {}
    assert (far[1], far[2]) == (near[1][1], near[1][2])
