"""A finished run that several modules read."""

import pytest
from finished import finish, runfile


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Run file of a small finished run; nobody changes what it made."""
    path = runfile(tmp_path_factory.mktemp("finished"), "one")
    finish(path, sky=True)
    return path
