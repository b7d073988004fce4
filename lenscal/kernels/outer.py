"""Outer products of short weights added to a plane, a row at a time, as instructions of LLVM.

Numba leaves such short rows as they are written, one number after the other.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lenscal.kernels import compiled  # noqa: F401  (before anything is compiled, see there)

_I32, _F32 = ir.IntType(32), ir.FloatType()
_FUSED = ("contract",)
_CUBIC = (
    (1 / 6, 2 / 3, 1 / 6, 0.0),
    (-1 / 2, 0.0, 1 / 2, 0.0),
    (1 / 2, -1.0, 1 / 2, 0.0),
    (-1 / 6, 1 / 2, -1 / 2, 1 / 6),
)
"""Cubic B-splines at t + 1, t, 1 - t, 2 - t: coefficients of 1, t, t^2, t^3."""


def _times(builder: Any, a: Any, b: Any) -> Any:
    return builder.fmul(a, b, flags=_FUSED)


def _plus(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=_FUSED)


def _all_of(builder: Any, number: Any, columns: int) -> Any:
    """A vector of one number."""
    undefined = ir.Constant(ir.VectorType(_F32, columns), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, columns), [0] * columns))


def _cubic(builder: Any, t: Any) -> Any:
    """The four weights of cubic B-splines, as a vector."""
    t = _all_of(builder, t, 4)
    out, *others = (ir.Constant(ir.VectorType(_F32, 4), row) for row in reversed(_CUBIC))
    for row in others:
        out = _plus(builder, row, _times(builder, t, out))
    return out


def _packed(builder: Any, weights: Any, columns: int) -> Any:
    """A tuple of weights, as a vector."""
    out = ir.Constant(ir.VectorType(_F32, columns), ir.Undefined)
    for k in range(columns):
        out = builder.insert_element(out, builder.extract_value(weights, k), ir.Constant(_I32, k))
    return out


def _add(context: Any, builder: Any, signature: Any, args: Any, columns: int, weights: Callable) -> Any:
    """The instructions of both: `weights` makes a vector of what is given for one side of the four values."""
    plane, place, width, *sides = args[:7]
    vector = ir.VectorType(_F32, columns)
    left, right, low, high = (weights(side) for side in sides)
    lower, upper = (
        _plus(
            builder,
            _times(builder, _all_of(builder, a, columns), left),
            _times(builder, _all_of(builder, b, columns), right),
        )
        for a, b in (args[7:9], args[9:11])
    )
    data = context.make_array(signature.args[0])(context, builder, plane).data
    for k in range(columns):
        same = ir.Constant(ir.VectorType(_I32, columns), [k] * columns)
        at = builder.bitcast(builder.gep(data, [place]), vector.as_pointer())
        row = builder.load(at, align=4)
        for side, values in ((low, lower), (high, upper)):
            row = _plus(builder, row, _times(builder, builder.shuffle_vector(side, side, same), values))
        builder.store(row, at, align=4)
        place = builder.add(place, width)
    return context.get_dummy_value()


@intrinsic
def add_outer(
    typingctx, plane, place, width, left, right, low, high, lower_left, lower_right, upper_left, upper_right
) -> tuple:
    """Add four values to a flat plane, each times the outer product of its weights along x (left, right) and along y
    (low, high): as many rows as columns.

    `plane` is (pixels,) float32, `place` and `width` uint64: the first pixel and the length of a row; weights are
    tuples of float32.
    """
    columns = len(left)

    def build(context, builder, signature, args):
        return _add(context, builder, signature, args, columns, lambda side: _packed(builder, side, columns))

    values = (lower_left, lower_right, upper_left, upper_right)
    return types.void(plane, place, width, left, right, low, high, *values), build


@intrinsic
def add_cubic(
    typingctx, plane, place, width, left, right, low, high, lower_left, lower_right, upper_left, upper_right
) -> tuple:
    """`add_outer` of cubic B-splines over four rows and columns: of each side, how far (0 to 1, float32) it lies beyond
    the second of them.
    """

    def build(context, builder, signature, args):
        return _add(context, builder, signature, args, 4, lambda side: _cubic(builder, side))

    return types.void(plane, place, width, *[types.float32] * 8), build
