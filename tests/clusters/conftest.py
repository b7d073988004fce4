"""A cloud on this machine for the tests of clusters."""

import pytest
from cloud import serving_cloud


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    with serving_cloud(tmp_path / "machines", monkeypatch) as made:
        yield made
