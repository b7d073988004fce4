"""Functions that only kernels call, as Python calls them."""

import numba


def called(function):
    """A compiled function that does nothing but call another."""
    return numba.njit(lambda *arguments: function(*arguments))
