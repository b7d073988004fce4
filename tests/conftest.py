"""What the tests share: where the real data are, said so in the header, and runs without a cluster."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from lenscal.config import real_data


def pytest_report_header():
    """Whether tests on real data run or skip."""
    folder = real_data()
    return f"real data: {'absent' if folder is None else 'found'}"


@pytest.fixture(scope="session")
def real():
    """Folder of the real data; the test is skipped when it is absent."""
    folder = real_data()
    if folder is None:
        pytest.skip("real data absent: set LENSCAL_REAL_DATA, or put it at ../shared/data beside the checkout")
    return folder


def in_process(monkeypatch):
    """Blocks are done in this process: the ledger is the same, without the seconds a cluster takes to start."""
    from lenscal.io import cluster

    @contextmanager
    def client(settings):
        yield None

    def sweep(connected, work, arguments, names, done, *_):
        for i, one in enumerate(arguments):
            done(i, work(*one))

    monkeypatch.setattr(cluster, "client", client)
    monkeypatch.setattr(cluster, "sweep", sweep)
    monkeypatch.setattr("lenscal.run.Crew.__exit__", lambda *_: None)


@pytest.fixture
def here(monkeypatch):
    """As `in_process`."""
    in_process(monkeypatch)
