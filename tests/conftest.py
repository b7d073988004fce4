"""What the tests share: where the real data are, said so in the header, and runs without a cluster."""

from __future__ import annotations

import pytest
from loops import in_process

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


@pytest.fixture
def here(monkeypatch):
    """As `loops.in_process`."""
    in_process(monkeypatch)
