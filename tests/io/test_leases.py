"""In a bucket one run works on a prefix: a lease by conditional put keeps the others out, is renewed, and runs out."""

import time

import pytest
from bucket import serving_buckets
from upath import UPath

from lenscal.config import BUCKET
from lenscal.io import leases, locks, stopping
from lenscal.io.stores import StoreError


@pytest.fixture
def bucket(monkeypatch):
    with serving_buckets() as server:
        server.point_to(monkeypatch)
        server.make("stores")
        yield server


@pytest.fixture
def file(bucket):
    return UPath("s3://stores/runs/one/.plan/lock", **BUCKET)


def test_two_runs_on_one_prefix_refuse_each_other_and_others_are_left_alone(file):
    with locks.alone(file.parent):
        with (
            pytest.raises(
                StoreError,
                match=r"another run \(process \d+ on .+\) is at work in 's3://stores/runs/one'; .* runs out in \d+ s",
            ),
            locks.alone(file.parent),
        ):
            pass
        with locks.alone(UPath("s3://stores/runs/two/.plan", **BUCKET)):
            pass
    assert not file.exists()
    with locks.alone(file.parent):  # it was given back
        pass


def test_a_lease_is_renewed_for_as_long_as_its_run_works(file):
    with leases.held(file, 2):
        time.sleep(4.5)
        with pytest.raises(StoreError, match="is at work in"), leases.held(file, 2):
            pass


def test_the_lease_of_a_run_that_is_gone_runs_out(file):
    leases._Lease(file, 1).take()  # and nobody renews it
    with pytest.raises(StoreError, match="runs out in"), leases.held(file):
        pass
    time.sleep(2.5)  # times in a bucket are in whole seconds
    with leases.held(file):
        pass


def test_a_run_that_lost_its_lease_stops_at_its_next_block(file):
    with leases.held(file, 1.5):
        file.write_text('{"run": "x", "host": "elsewhere", "process": 1, "seconds": 600}')
        time.sleep(1.2)
        with pytest.raises(
            StoreError, match=r"was lost \(another run has taken it\): another run may be at work there"
        ):
            stopping.check()
    assert "elsewhere" in file.read_text(), "what another run holds is not given back"


def test_a_put_whose_answer_got_lost_and_was_repeated_is_ones_own(file):
    lease = leases._Lease(file, 600)
    lease.take()
    lease._etag = ""
    lease.take()
    assert lease._mine()
    lease.give_back()
    assert not file.exists()


def test_a_bucket_that_answers_500_at_times_gives_the_lease(file, bucket):
    bucket.faults = {bucket.number + 1: 500, bucket.number + 2: 503}
    with leases.held(file):
        assert file.exists()


def test_what_stopped_one_run_does_not_stop_the_next(file):
    with leases.held(file, 1.5):
        file.write_text('{"run": "x", "host": "elsewhere", "process": 1, "seconds": 600}')
        time.sleep(1.2)
    stopping.check()  # the run had ended before its next block
