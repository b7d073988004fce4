"""A set of keys says of each key whether it was there before, however the keys come in parts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lenscal.kernels import keysets

keys = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(keys, st.integers(1, 20))
def test_repeats_are_those_of_a_plain_set_in_any_parts(pairs, size):
    known, keyset = set(), keysets.KeySet()
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        expected = []
        for pair in part:
            expected.append(pair in known)
            known.add(pair)
        group, number = np.array(part).T
        assert keyset.add(group, number).tolist() == expected
    unpacked = {(g, int(n)) for g, bits in keyset.packed().items() for n in keysets.common(bits, bits)}
    assert unpacked == known


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 70)), st.sets(st.integers(0, 70)))
def test_common_and_union_are_those_of_sets(one, two):
    packed = []
    for numbers in (one, two):
        keyset = keysets.KeySet()
        keyset.add(np.zeros(len(numbers), int), np.array(sorted(numbers), int))
        packed.append(keyset.packed().get(0, b""))
    assert set(keysets.common(*packed).tolist()) == one & two
    whole = keysets.union(*packed)
    assert set(keysets.common(whole, whole).tolist()) == one | two


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(1 << 62), 1 << 62), max_size=40),
    st.lists(st.integers(-(1 << 62), 1 << 62), max_size=40),
    st.integers(0, 20),
)
def test_contains_is_that_of_a_set(some, others, shared):
    ids = np.array([*others, *some[:shared]], np.int64)
    assert keysets.contains(ids, np.array(some, np.int64)).tolist() == [i in set(some) for i in ids.tolist()]
