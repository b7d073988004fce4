"""What comes from the cutout service is whole, of the right place, size and bands, or the run stops
and says what came instead.
"""

from __future__ import annotations

import pickle
import time

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from contracts import check_survey
from viewer import serving, sky

from lenscal import cutouts, schema
from lenscal.config import Cutouts, Service
from lenscal.io.survey import PixelError, ServiceSurvey, SurveyError

SIZE = 21
HTML = b"<html><body>The viewer is down for maintenance</body></html>"


@pytest.fixture
def viewer():
    with serving() as viewer:
        yield viewer


def survey(viewer, **changes):
    settings = {"requests_per_second": 1000, "attempts": 3, "backoff_seconds": 0.01, "timeout_seconds": 5} | changes
    return ServiceSurvey(Service(url=viewer.address, **settings), "ls-dr10", "/nowhere", seed=1)


def table(*positions):
    ra, dec = np.array(positions, float).T
    return pd.DataFrame({"galaxy_id": np.arange(len(ra)) + 7, "ra": ra, "dec": dec, "brickname": "1500p020"})


ROWS = table((150.0, 2.0), (359.999, -30.5), (0.001, 32.1))


def test_the_service_keeps_the_contract_of_surveys(viewer, tmp_path):
    Table({"brickname": ["a"], "ra": [150.0], "dec": [2.0]}).write(tmp_path / "survey-bricks.fits.gz")
    one = survey(viewer)
    one.root = tmp_path
    check_survey(one, ROWS, tmp_path)


@pytest.mark.parametrize("size", [21, 20])
def test_pixels_planes_and_provenance_are_those_that_were_served(viewer, size):
    found = survey(viewer).read(ROWS, size)
    for i, row in enumerate(ROWS.itertuples()):
        image, invvar, mask = (plane[..., :size, :size] for plane in sky(row.ra, row.dec, 21))
        unseen = (image == 0) & (invvar == 0)
        np.testing.assert_array_equal(found.image[i], np.where(unseen, np.nan, image))
        np.testing.assert_array_equal(found.invvar[i], np.where(unseen, 0, invvar))
        np.testing.assert_array_equal(found["mask"][i], mask)
        assert unseen.sum() == 12
    assert (found.failure == "").all()
    assert found.layer_version.values.tolist() == ["ls-dr10 DR10"] * 3
    url = found.cutout_url.values[1]
    asked = "ra=359.9990000&dec=-30.5000000&size=21&layer=ls-dr10&pixscale=0.262&bands=grz&invvar&maskbits"
    assert url == f"{viewer.address}?{asked}"
    assert len(set(found.checksum.values.tolist())) == 3
    moment = pd.Timestamp(found.download_timestamp.values[0])
    assert abs((pd.Timestamp.now("UTC") - moment).total_seconds()) < 60


FAULTS = {
    "status 500": (500, "answer 500"),
    "status 503": (503, "answer 503"),
    "status 429": ({"status": 429, "after": 0}, "answer 429"),
    "too slow": ({"slow": 1.0}, "Timeout"),
    "cut short of its length": ({"cut": 5000}, "IncompleteRead"),
    "cut short, no length": ({"cut": 5000, "length": False}, "cut short: 5000 bytes are not whole records"),
    "cut short at a record": ({"cut": 5760, "length": False}, r"cannot be read|no plane"),
    "HTML": ({"body": HTML}, "no FITS file but begin with '<html>"),
    "nothing": ({"body": b""}, "0 bytes that are no FITS file"),
    "another place": ({"shift": 0.3}, "a stamp about ra 150.0"),
    "another scale": ({"scale": 0.524}, "pixels of 0.5240 x 0.5240 arcsec, not 0.262"),
    "no scale": ({"without": ["CD1_1"]}, "plane 'image' that has a matrix that gives no sky .* not those asked for"),
    "no mask": ({"lacks": ["maskbits"]}, "no plane 'maskbits' but .* take out of survey.service.planes"),
}


FINAL = {
    "wrong size": ({"shrink": 2}, r"shape \(3, 19, 19\), not \(3, 21, 21\)"),
    "wrong bands": ({"bands": "grizY"}, "bands 'grizY', not 'grz'"),
    "wrong order": ({"bands": "zrg"}, "bands 'zrg', not 'grz'"),
    "another unit": ({"units": "DN"}, "plane 'image' is in 'DN', not 'nanomaggy'"),
}


@pytest.mark.parametrize("fault", FINAL)
def test_what_no_attempt_will_change_is_asked_once_and_names_the_layer(viewer, fault):
    viewer.always, message = FINAL[fault]
    with pytest.raises(PixelError, match=rf"{message}; check survey\.layer \('ls-dr10'\)"):
        survey(viewer).read(ROWS, SIZE)
    assert len(viewer.asked) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_layer_that_the_service_does_not_have_is_no_empty_sky(viewer, tmp_path, status):
    Table({"brickname": list("abcdef"), "ra": np.arange(6.0), "dec": np.zeros(6)}).write(
        tmp_path / "survey-bricks.fits.gz"
    )
    one = survey(viewer)
    one.root = tmp_path
    viewer.always = status
    with pytest.raises(SurveyError, match=r"has pixels of none of the bricks.*check survey\.layer \('ls-dr10'\)"):
        one.check()
    assert len(viewer.asked) == 5
    viewer.faults, viewer.always = [status], None
    assert one.check() == [f"{viewer.address} answers with layer ls-dr10 DR10"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_answer_is_asked_for_again_and_the_good_one_taken(viewer, fault):
    viewer.faults = [FAULTS[fault][0]]
    limits = {"timeout_seconds": 0.3} if "slow" in fault else {}
    found = survey(viewer, **limits).read(ROWS[:1], SIZE)
    assert len(viewer.asked) == 2
    image = sky(150.0, 2.0, SIZE)[0]
    np.testing.assert_array_equal(found.image[0].values[:, 5:, 5:], image[:, 5:, 5:])


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_stays_bad_stops_with_what_came(viewer, fault):
    viewer.always, message = FAULTS[fault]
    limits = {"timeout_seconds": 0.1} if "slow" in fault else {}
    with pytest.raises(
        PixelError, match=rf"service: 2 attempts at '.*ra=150.*' failed, the last: .*({message}).*run again to go on"
    ):
        survey(viewer, attempts=2, **limits).read(ROWS[:1], SIZE)
    assert len(viewer.asked) == 2


def test_a_position_without_pixels_is_a_failed_row_and_costs_no_other(viewer):
    viewer.faults = [None, 404]
    found = survey(viewer).read(ROWS, SIZE)
    assert found.failure.values.tolist() == ["", "outside: the service has no pixels there", ""]
    assert np.isnan(found.image[1]).all()
    assert not np.isnan(found.image[2].values[:, 5:, 5:]).any()
    assert len(viewer.asked) == 3


def test_a_row_that_is_no_place_is_never_asked_for(viewer):
    found = survey(viewer).read(table((np.nan, 2.0), (10.0, 91.0)), SIZE)
    assert found.failure.str.startswith("position:").all()
    assert viewer.asked == []


def test_a_refusal_that_no_attempt_will_change_stops_at_once(viewer):
    viewer.always = 403
    with pytest.raises(PixelError, match=r"answered 403 Forbidden; check survey.service.url and survey.layer"):
        survey(viewer).read(ROWS, SIZE)
    assert len(viewer.asked) == 1


def test_nobody_listening_is_said(viewer):
    gone = survey(viewer)
    gone.service = gone.service.model_copy(update={"url": "http://127.0.0.1:9/fits-cutout", "attempts": 2})
    with pytest.raises(PixelError, match=r"2 attempts .* ConnectionError"):
        gone.read(ROWS, SIZE)


def test_the_wait_that_the_service_asks_for_is_kept(viewer):
    viewer.faults = [{"status": 429, "after": 1}]
    survey(viewer).read(ROWS[:1], SIZE)
    assert viewer.asked[1][0] - viewer.asked[0][0] >= 1.0


def test_waits_double_with_a_jitter_that_is_drawn_once_for_all(viewer):
    one = survey(viewer, backoff_seconds=2.0)
    waits = [one._wait("u", attempt, None) for attempt in (1, 2, 3, 4)]
    for attempt, wait in enumerate(waits):
        assert 0.5 * 2 * 2**attempt <= wait <= 1.5 * 2 * 2**attempt
    assert waits == [survey(viewer, backoff_seconds=2.0)._wait("u", attempt, None) for attempt in (1, 2, 3, 4)]
    assert waits[0] != one._wait("another", 1, None)
    assert one._wait("u", 30, None) <= 1.5 * 300


def test_the_rate_is_noted_where_only_this_user_can_write(viewer, tmp_path, monkeypatch):
    import tempfile

    from lenscal.io.survey import pace

    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    pace._own_folder.cache_clear()
    survey(viewer).read(ROWS, SIZE)
    (note,) = (tmp_path / "own" / "lenscal").iterdir()
    assert (note.stat().st_mode & 0o077, note.parent.stat().st_mode & 0o077) == (0, 0)
    assert not list(shared.iterdir())
    note.unlink()
    note.symlink_to(tmp_path / "elsewhere")  # as somebody else might have laid it
    with pytest.raises(OSError, match="symbolic link"):
        pace.slot(viewer.address, 1000)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "own" / "lenscal").chmod(0o777)
    pace._own_folder.cache_clear()
    assert pace._own_folder().parent == shared, "a folder that others can write to is not taken"
    pace._own_folder.cache_clear()


def test_the_rate_is_kept_by_all_clients_of_a_machine_together(viewer):
    start = time.monotonic()
    for _ in range(2):
        survey(viewer, requests_per_second=20).read(ROWS, SIZE)
    assert time.monotonic() - start >= 5 / 20
    moments = np.array([moment for moment, _ in viewer.asked])
    assert np.diff(moments).mean() >= 0.04


def test_a_layer_without_weights_and_masks_can_be_asked_for_its_image_alone(viewer):
    viewer.planes = ()
    found = survey(viewer, planes=[]).read(ROWS[:1], SIZE)
    assert viewer.asked[0][1].endswith("bands=grz")
    assert (found.invvar == 0).all()
    assert np.isnan(found.image[0].values[:, :2, :2]).all()


def test_what_the_service_gives_becomes_cutouts(viewer):
    columns = {
        n: "" if v.dtype == "str" else np.zeros(3, v.dtype)
        for n, v in (schema.MANIFEST.variables | schema.GALAXY_COORDS).items()
        if n not in ROWS
    }
    rows = ROWS.assign(**columns).assign(psfsize_r=1.3)
    made = cutouts.cut(rows, pickle.loads(pickle.dumps(survey(viewer))).read, Cutouts(size=SIZE))
    assert made.checksum.values[0] != ""
    assert made.psfsize.values[0, 1] == np.float32(1.3)
    schema.CUTOUTS.check(made)


def test_check_names_a_service_that_does_not_answer(viewer, monkeypatch):
    one = survey(viewer, attempts=1)
    monkeypatch.setattr(one, "bricks", lambda: pd.DataFrame({"ra": [1.0], "dec": [2.0], "brickname": ["x"]}))
    assert one.check() == [f"{viewer.address} answers with layer ls-dr10 DR10"]
    viewer.always = {"body": HTML}
    with pytest.raises(SurveyError, match="begin with '<html>"):
        one.check()


# --- a place, a layer, and pixels without weights


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_place_at_which_the_service_fails_costs_its_row_and_no_other(viewer, failing):
    honest = viewer.respond
    ra = f"{ROWS['ra'][failing]:.7f}"

    def respond(handler):
        viewer.always = 500 if f"ra={ra}" in handler.path else None
        honest(handler)

    viewer.respond = respond
    found = survey(viewer, attempts=2).read(ROWS, SIZE)
    for i, reason in enumerate(found.failure.values.tolist()):
        assert reason.startswith("service: 2 attempts at ") == (i == failing)
        assert np.isfinite(found.image[i]).any() == (i != failing)
    assert "answer 500" in found.failure.values[failing]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_service_that_is_busy_stops_the_block_though_it_answered_before(viewer, status):
    viewer.faults, viewer.always = [None], status
    with pytest.raises(PixelError, match=rf"answer {status}.*run again to go on"):
        survey(viewer, attempts=2).read(ROWS, SIZE)


@pytest.mark.parametrize("answers", [1, 2])
@pytest.mark.parametrize("status", [500, 503])
def test_a_service_that_goes_down_after_some_answers_stops_the_block_at_once(viewer, answers, status):
    viewer.faults, viewer.always = [None] * answers, status
    with pytest.raises(PixelError, match=rf"2 attempts .*answer {status}.*run again to go on"):
        survey(viewer, attempts=2).read(ROWS, SIZE)
    asked = [path for _, path in viewer.asked]
    assert len(asked) <= answers + 5
    assert all(asked.count(path) <= 2 for path in asked)


def test_a_service_that_is_down_for_a_while_costs_no_row(viewer):
    viewer.faults = [
        None,
        500,
        500,
    ]  # both attempts at the second place; the first one answers again, and then the second
    found = survey(viewer, attempts=2).read(ROWS, SIZE)
    assert set(found.failure.values) == {""}
    assert np.isfinite(found.image).any(("band", "y", "x")).all()


def test_a_service_that_fails_at_every_place_is_down(viewer):
    viewer.always = 500
    with pytest.raises(PixelError, match=r"2 attempts .*answer 500.*run again to go on"):
        survey(viewer, attempts=2).read(ROWS, SIZE)


def test_a_first_row_alone_fails_where_the_service_answers_in_a_brick(viewer, tmp_path):
    Table({"brickname": ["a", "b"], "ra": [200.0, 201.0], "dec": [1.0, 1.0]}).write(tmp_path / "survey-bricks.fits.gz")
    honest = viewer.respond

    def respond(handler):
        viewer.always = 500 if "ra=150" in handler.path else None
        honest(handler)

    viewer.respond = respond
    one = survey(viewer, attempts=2)
    one.root = tmp_path
    assert one.read(ROWS[:1], SIZE).failure.values[0].startswith("service: 2 attempts")


@pytest.mark.parametrize(
    "text", ["there is no layer ls-dr99", "no such layer", "Unknown layer: x", "Layer 'x' does not exist\n"]
)
def test_an_unknown_layer_stops_at_once_and_names_the_setting(viewer, text):
    viewer.always = {"body": text.encode()}
    with pytest.raises(PixelError, match=r"answered '.*[lL]ayer.*'; check survey\.layer \('ls-dr10'\)"):
        survey(viewer).read(ROWS, SIZE)
    assert len(viewer.asked) == 1


@pytest.mark.parametrize("share", [0.024, 0.1])
def test_zeros_of_a_quantised_image_without_weights_are_values(viewer, share):
    def source(ra, dec, size):
        image, invvar, bits = sky(ra, dec, size)
        image[np.random.default_rng(1).random(image.shape) < share] = 0
        image[:, :5, :5] = 0  # no coverage
        return image, invvar, bits

    viewer.source = source
    found = survey(viewer, planes=[]).read(ROWS[:1], 101)
    unseen = np.isnan(found.image.values[0])
    assert unseen[:, :5, :5].all()
    assert unseen[:, 8:, 8:].sum() <= 3
