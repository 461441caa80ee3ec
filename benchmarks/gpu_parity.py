"""Whether a device finds what the reference finds: every kernel, and a whole fit.

The reference is the NumPy backend, and for kernels that in float64 on the same float32 numbers,
so that what is compared is the device's rounding and not the reference's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _rows import embedding_rows
from gpu_cases import COMPARED, Case, Sizes, cases
from gpu_device import Device, one_line

from madapt import MatryoshkaAdaptor
from madapt.backends import Backend
from madapt.backends.numpy import NumpyBackend
from madapt.baselines import SVDRotation

#: Relative, of values, and of arrays by norm and by the largest entry.
KERNEL_TOLERANCE = 1e-5
#: Of prefix cosines, absolute.
FIT_TOLERANCE = 1e-3


def kernel_parity(device: Device, sizes: Sizes) -> dict[str, Any]:
    """Return the relative error of each case, and what is beyond the tolerance."""
    found: dict[str, Any] = {"tolerance": KERNEL_TOLERANCE, "sizes": vars(sizes), "errors": {}}
    beyond = {
        f"kernel {name!r}": "no case compares it"
        for name in sorted(set(device.backend.kernels) - COMPARED)
    }
    for name, case in cases(sizes, set(device.backend.kernels)).items():
        try:
            error = error_of(case, device.backend)
        except Exception as failure:  # the other cases are compared all the same
            beyond[name] = one_line(failure)
            continue
        found["errors"][name] = error
        if not error <= KERNEL_TOLERANCE:
            beyond[name] = f"off by {error:.1e}"
    return found | {"beyond": beyond}


def error_of(case: Case, backend: Backend) -> float:
    """Return the largest relative error of what a case gives on the backend, in float32."""
    reference = NumpyBackend()
    wanted = case(reference, lambda X: X.astype(np.float64) if X.dtype == np.float32 else X)
    found = [
        X if isinstance(X, float) else backend.to_numpy(X) for X in case(backend, backend.asarray)
    ]
    return max(relative(one, other) for one, other in zip(found, wanted, strict=True))


def relative(found: Any, wanted: Any) -> float:
    """Return the relative error, by norm or by the largest entry, whichever is larger."""
    wanted = np.asarray(wanted, np.float64)
    found = np.asarray(found)
    if found.shape != wanted.shape:
        raise AssertionError(f"shape {found.shape} instead of {wanted.shape}")
    if found.dtype == np.float64 and found.ndim:
        raise AssertionError("float32 became float64 on its way")
    if not np.abs(wanted).max() > 0:
        raise AssertionError("the reference is zero: nothing is compared")
    difference = found.astype(np.float64) - wanted
    by_norm = np.linalg.norm(difference) / np.linalg.norm(wanted)
    return float(max(by_norm, np.abs(difference).max() / np.abs(wanted).max()))


def fit_parity(device: Device, n: int, d: int, parameters: dict[str, Any]) -> dict[str, Any]:
    """Fit on the device and on the reference backend; compare all prefix cosines of some rows.

    Held to the tolerance are a fit in float64, whole, and three short steps in float32. Adam's
    first steps are as long as the learning rate whichever way a slope points, also one that is
    nothing but rounding; at the default rate that alone moves float32 further than the tolerance,
    on the reference backend, too. How far is shown for both, and has no tolerance.
    """
    X = embedding_rows(n, d)
    short = {"max_iter": 3, "learning_rate": 1e-3, "guard": False, "early_stopping": False}

    def fitted(backend: str, dtype: type, **options: Any) -> MatryoshkaAdaptor:
        model = MatryoshkaAdaptor(backend=backend, random_state=0, **options)
        return model.fit(X.astype(dtype))

    name = device.backend.name
    runs = {
        "whole, float64": (np.float64, parameters),
        "three short steps, float32": (np.float32, short),
    }
    found: dict[str, Any] = {"tolerance": FIT_TOLERANCE, "shape": [n, d], "errors": {}, "moved": {}}
    beyond = {}
    for what, (dtype, options) in runs.items():
        one, other = fitted("numpy", dtype, **options), fitted(name, dtype, **options)
        found["errors"][what] = error = cosine_error(one, other, X)
        # Two fits that learn nothing agree, whatever a device does.
        found["moved"][what] = moved = cosine_error(SVDRotation().fit(X), other, X, one.dims_)
        if not error <= FIT_TOLERANCE:
            beyond[what] = f"off by {error:.1e}"
        if not moved > 2 * FIT_TOLERANCE:
            beyond[f"{what}, what is learned"] = f"the start was moved by {moved:.1e} only"
        if dtype is np.float64:
            exact = one
    found["steps"] = exact.n_iter_
    found["whole, float32, against float64"] = {
        backend: cosine_error(exact, fitted(backend, np.float32, **parameters), X)
        for backend in ("numpy", name)
    }
    return found | {"beyond": beyond}


def cosine_error(one: Any, other: Any, X: np.ndarray, dims: Any = None) -> float:
    """Return by how much any prefix cosine of the first 500 rows differs at most."""

    def cosines(model: Any, m: int) -> np.ndarray:
        Z = np.asarray(model.transform(X[:500], dim=m), np.float64)
        return Z @ Z.T

    differences = [np.abs(cosines(one, m) - cosines(other, m)) for m in dims or other.dims_]
    return float(max(difference.max() for difference in differences))
