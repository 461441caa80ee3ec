"""How the kernels are compiled, and the float32 power of two that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "CHUNK",
    "bits_of",
    "compiled",
    "float_of",
    "inlined",
    "power_of_two",
    "power_of_two_array",
    "sum_from_the_back",
]

#: Columns that a kernel takes at a time: all dims of so many lie in the first-level cache.
CHUNK = 512

# Sums may be reordered, so that they run in vectors; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


def compiled(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one signature, without the GIL, and keep the result on disk."""
    return numba.njit(signature, fastmath=_FAST, nogil=True, cache=True, error_model="numpy")


def inlined(function: Callable[..., Any]) -> Any:
    """Compile as a part of the kernels that call it.

    Forced: a call that is left standing may run another copy of the function, compiled in
    another surrounding, in a process that compiles than in one that loads from the cache,
    and the last digits would differ.
    """
    return numba.njit(fastmath=_FAST, nogil=True, error_model="numpy", forceinline=True)(function)


@inlined
def sum_from_the_back(K, i, start, stop):
    """K_l += K_{l+1} + ... + K_L on some columns of row i, which lie in the cache."""
    for behind in range(1, K.shape[0]):
        at = K.shape[0] - 1 - behind
        here, after = K[at, i, start:stop], K[at + 1, i, start:stop]
        for j in range(here.shape[0]):
            here[j] += after[j]


_intrinsic: Any = intrinsic  # what it makes is called without the typing context


@_intrinsic
def _compiled_bits_of(typing_context, x):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), generate


@_intrinsic
def _compiled_float_of(typing_context, bits):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


def _plain_bits_of(x):
    return np.float32(x).view(np.int32)


def _plain_float_of(bits):
    return np.int32(bits).view(np.float32)


# With NUMBA_DISABLE_JIT, for a debugger or a count of branches, nothing compiles an intrinsic.
_is_compiled = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
bits_of = _compiled_bits_of if _is_compiled else _plain_bits_of
float_of = _compiled_float_of if _is_compiled else _plain_float_of


_LOWEST, _HIGHEST = np.float32(-126), np.float32(127)
_ROUND = np.float32(1.5 * 2**23)  # adding it leaves the nearest integer in the last bits
_ONE = np.int32(127 << 23)  # the bits of 1.0
_MANTISSA = np.int32(23)
_1 = np.float32(1)
_C0 = np.float32(0.693147202855129)
_C1 = np.float32(0.24022647913619502)
_C2 = np.float32(0.05550332471027056)
_C3 = np.float32(0.009618437358314722)
_C4 = np.float32(0.001339887444531753)
_C5 = np.float32(0.0001535336180931695)


# No "reassoc" here: it would make y + _ROUND - _ROUND into y.
@numba.njit(fastmath={"contract"}, nogil=True, error_model="numpy", forceinline=True)
def power_of_two(y):
    """2^y in float32, y held within -126..127; relative error below 1.5e-7.

    y = n + f with n whole and |f| <= 1/2, both exact; 2^f = 1 + f q(f) with the polynomial
    q of degree 5 whose relative error is smallest, and n goes straight into the exponent.
    No table, no branch, no call: loops around it run in vectors.
    """
    y = y if y > _LOWEST else _LOWEST
    y = y if y < _HIGHEST else _HIGHEST
    shifted = y + _ROUND
    f = y - (shifted - _ROUND)
    q = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _C0
    scale = float_of((bits_of(shifted) << _MANTISSA) + _ONE)
    return scale * (f * q + _1)


@compiled("void(float32[::1], float32[::1])")
def power_of_two_array(y, out):
    """out_i = 2^y_i."""
    for i in range(y.shape[0]):
        out[i] = power_of_two(y[i])
