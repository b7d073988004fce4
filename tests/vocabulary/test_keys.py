"""A galaxy_id is a TARGETID of DESI: the number in the brick, the brick, the release."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenscal import keys

PARTS = st.tuples(st.integers(0, 2**22 - 1), st.integers(0, 2**20 - 1), st.integers(0, 2**16 - 1))


@given(PARTS)
def test_what_is_packed_is_unpacked(parts):
    assert keys.fits(*parts)
    assert keys.unpack(keys.pack(*parts)) == parts
    assert keys.unpack(keys.pack(*map(np.int64, parts))) == parts


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=9))
def test_objects_of_one_brick_of_one_release_have_one_brick_number(rows):
    objid, brickid, release = np.array(rows, np.int64).T
    same = keys.brick_of(keys.pack(objid, brickid, release))
    assert [(a == b) for a in same for b in same] == [a[1:] == b[1:] for a in rows for b in rows]


@pytest.mark.parametrize("parts", [(2**22, 0, 0), (0, 2**20, 0), (0, 0, 2**16), (-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_what_has_no_room_does_not_fit(parts):
    assert not keys.fits(*parts)


def test_targets_that_desi_selected_have_the_keys_that_desi_gave_them(real):
    from astropy.table import Table

    targets = Table.read(real / "tractor" / "dr8" / "selected_bgsbright_targets_dr8.fits")
    assert len(targets) == 3113
    key = keys.unpack(np.asarray(targets["TARGETID"], np.int64))
    np.testing.assert_array_equal(key.objid, targets["OBJID"])
    np.testing.assert_array_equal(key.brickid, targets["BRICKID"])
    assert set(np.unique(key.release)) <= {8000, 8001}
