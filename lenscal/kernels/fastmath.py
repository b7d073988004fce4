"""Single-precision elementary functions that LLVM vectorises.

Numba has no vector library here, and it widens 32-bit integers to 64 bits, which stops vectorisation. So the bit
operations are LLVM instructions kept in 32 bits, and each function is a polynomial. Coefficients of `log2` and
`atan_ratio` are those of Cephes (Moshier 1989, `logf.c`, `atanf.c`); `exp2` is a minimax fit on [-1/2, 1/2].
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lenscal.kernels.compiled import inner

FLAGS = {"contract", "reassoc", "nsz", "arcp", "afn"}  # infinities and NaN stay defined
_f4 = np.float32
_I32, _F32 = ir.IntType(32), ir.FloatType()


@intrinsic
def _nearest(typingctx, x):
    """The nearest whole number."""

    def build(context, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [_F32]), [args[0]])

    return types.float32(types.float32), build


@intrinsic
def select(typingctx, condition, a, b) -> tuple:
    """a where the condition holds, else b: both are made, so that no branch stands in the way of vectorisation."""

    def build(context, builder, signature, args):
        return builder.select(args[0], args[1], args[2])

    return types.float32(types.boolean, types.float32, types.float32), build


@intrinsic
def _power_of_two(typingctx, k):
    """2**k of a whole k in [-126, 127]."""

    def build(context, builder, signature, args):
        biased = builder.add(builder.fptosi(args[0], _I32), ir.Constant(_I32, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(_I32, 23)), _F32)

    return types.float32(types.float32), build


def _exponent_bits(builder, x):
    return builder.ashr(builder.sub(builder.bitcast(x, _I32), ir.Constant(_I32, 0x3F3504F3)), ir.Constant(_I32, 23))


@intrinsic
def _exponent(typingctx, x):
    """e of x = m 2**e with m in [sqrt(1/2), sqrt(2))."""

    def build(context, builder, signature, args):
        return builder.sitofp(_exponent_bits(builder, args[0]), _F32)

    return types.float32(types.float32), build


@intrinsic
def _mantissa(typingctx, x):
    """m of x = m 2**e with m in [sqrt(1/2), sqrt(2))."""

    def build(context, builder, signature, args):
        shifted = builder.shl(_exponent_bits(builder, args[0]), ir.Constant(_I32, 23))
        return builder.bitcast(builder.sub(builder.bitcast(args[0], _I32), shifted), _F32)

    return types.float32(types.float32), build


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def exp2(x) -> np.float32:
    """2**x, with x clamped to [-100, 126]; relative error 1e-7."""
    x = max(_f4(-100.0), min(_f4(126.0), x))
    k = _nearest(x)
    t = x - k
    p = _f4(1.535336188319500e-4)
    p = p * t + _f4(1.339887440266574e-3)
    p = p * t + _f4(9.618437357674640e-3)
    p = p * t + _f4(5.550332471162809e-2)
    p = p * t + _f4(2.402264791363012e-1)
    p = p * t + _f4(6.931472028550421e-1)
    p = p * t + _f4(1.0)
    return p * _power_of_two(k)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _log_near_one(m):
    """log(1 + m) for m in [sqrt(1/2) - 1, sqrt(2) - 1]."""
    z = m * m
    p = _f4(7.0376836292e-2)
    p = p * m + _f4(-1.1514610310e-1)
    p = p * m + _f4(1.1676998740e-1)
    p = p * m + _f4(-1.2420140846e-1)
    p = p * m + _f4(1.4249322787e-1)
    p = p * m + _f4(-1.6668057665e-1)
    p = p * m + _f4(2.0000714765e-1)
    p = p * m + _f4(-2.4999993993e-1)
    p = p * m + _f4(3.3333331174e-1)
    return m + (p * m * z - _f4(0.5) * z)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def log2(x) -> np.float32:
    """log2(x) of a normal x > 0; absolute error 1e-7."""
    return _exponent(x) + _log_near_one(_mantissa(x) - _f4(1.0)) * _f4(1.4426950408889634)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def atan_ratio(a, b) -> np.float32:
    """atan(a/b) of a >= 0, b > 0; relative error 2e-7."""
    low, high = min(a, b), max(a, b)
    large = low > _f4(0.41421356) * high
    t = select(large, low - high, low) / select(large, low + high, high)
    z = t * t
    p = _f4(8.05374449538e-2)
    p = p * z + _f4(-1.38776856032e-1)
    p = p * z + _f4(1.99777106478e-1)
    p = p * z + _f4(-3.33329491539e-1)
    r = p * z * t + t
    r = r + select(large, _f4(0.7853981633974483), _f4(0.0))
    return select(a <= b, r, _f4(1.5707963267948966) - r)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def atanh_ratio(a, b) -> np.float32:
    """atanh(a/b) of |a| < b; relative error 3e-7, for small ratios too."""
    inverse = _f4(1.0) / (b - a)
    x = (b + a) * inverse
    e = _exponent(x)
    m = select(e == _f4(0.0), _f4(2.0) * a * inverse, _mantissa(x) - _f4(1.0))
    return _f4(0.5) * (_log_near_one(m) + e * _f4(0.6931471805599453))
