"""The CUDA kernels on a CPU: the same sources, compiled by a C++ compiler, and what CuPy does.

`device()` is what the kernels' wrappers take for a GPU. The arrays are NumPy's, of a class that
refuses to tell a number to the host: on a GPU that would wait for everything before it.
"""

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from madapt.backends.cupy._device import Device

COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
needs_a_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler runs the kernels")
SHIM = Path(__file__).with_name("cuda_on_cpu.h")
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
TYPES = {"int": ctypes.c_int, "size": ctypes.c_longlong, "float": ctypes.c_float}
#: Whether threads run from the last to the first between two barriers, and whether arrays that
#: NumPy made in the array code may stand among those of the device, and numbers be told.
order = SimpleNamespace(backwards=False, mixed=False, tells=False)


def parameters(text):
    """Return (type, name) of each parameter; a pointer's type ends in a star."""
    parts = [" ".join(part.split()).replace("const ", "") for part in text.split(",")]
    return [tuple(part.rsplit(" ", 1)) for part in parts]


def entry(kernel, text):
    """Return the C++ of a function that runs a kernel on a grid."""
    given = parameters(text)
    names = [f"{kernel}_{name}" for _, name in given]
    kept = "".join(f"static {kind} {name};\n" for (kind, _), name in zip(given, names, strict=True))
    heads = ", ".join(f"{kind} {name}" for kind, name in given)
    sets = " ".join(f"{kept} = {name};" for kept, (_, name) in zip(names, given, strict=True))
    return (
        f"{kept}static void {kernel}_body() {{ {kernel}({', '.join(names)}); }}\n"
        f'extern "C" void run_{kernel}(unsigned grid_x, unsigned grid_y, unsigned threads,'
        f" size_t shared_bytes, int backwards, {heads}) {{ {sets} run_backwards = backwards;"
        f" run_grid({kernel}_body, grid_x, grid_y, threads, shared_bytes); }}\n"
    )


@functools.cache
def library(code):
    """Return the compiled code, and the types of each kernel's parameters."""
    folder = Path(tempfile.mkdtemp(prefix="madapt-cuda-"))
    kernels = dict(KERNEL.findall(code))
    entries = "".join(entry(name, text) for name, text in kernels.items())
    written = folder / "kernels.cpp"
    written.write_text(f'#include "{SHIM}"\n{code}\n{entries}', encoding="utf-8")
    command = [COMPILER, "-std=c++17", "-O2", "-shared", "-fPIC", "-Wall", "-Wno-unused"]
    # A jump to another stack is what fibres are made of.
    command += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=0"]
    subprocess.run([*command, "-o", folder / "kernels.so", written], check=True)
    loaded = ctypes.CDLL(str(folder / "kernels.so"))
    shutil.rmtree(folder)
    return loaded, {name: [kind for kind, _ in parameters(text)] for name, text in kernels.items()}


class RawModule:
    """What CuPy's class of that name does, on the CPU."""

    def __init__(self, code, options):
        assert options == ("--std=c++17",)
        self.library, self.types = library(code)

    def get_function(self, name):
        """Return what launches a kernel."""
        run, types = getattr(self.library, f"run_{name}"), self.types[name]

        def launch(grid, block, arguments, shared_mem=0):
            (threads,) = block
            assert threads <= 1024
            assert shared_mem <= 48 * 2**10
            x, y = (*grid, 1)[:2]
            assert 0 < x < 2**31
            assert 0 < y < 2**16
            here = [_passed(kind, X) for kind, X in zip(types, arguments, strict=True)]
            sizes = (ctypes.c_uint(x), ctypes.c_uint(y), ctypes.c_uint(threads))
            run(*sizes, ctypes.c_size_t(shared_mem), ctypes.c_int(order.backwards), *here)

        return launch


#: NumPy's types of the numbers that a kernel reads behind a pointer.
POINTERS = {
    "float*": np.float32,
    "double*": np.float64,
    "unsigned char*": np.uint8,
    "int*": np.int32,
    "size*": np.int64,
}


def _passed(kind, X):
    """Return an argument as C takes it; a wrong type would be read as other bits on a GPU."""
    if kind in POINTERS:
        if isinstance(X, np.uintp):
            assert X == 0
            return ctypes.c_void_p(0)
        assert order.mixed or isinstance(X, There), type(X)
        assert X.dtype == POINTERS[kind], (X.dtype, kind)
        assert X.flags.c_contiguous
        return ctypes.c_void_p(X.ctypes.data)
    wanted = {"int": np.int32, "size": np.int64, "float": np.float32}[kind]
    assert type(X) is wanted or (wanted is np.int64 and type(X) is np.longlong), (type(X), kind)
    return TYPES[kind](X.item())


class There(np.ndarray):
    """An array that tells the host no number."""

    def _refuse(self, *_):
        raise AssertionError("the host waits for the device")

    __int__ = __bool__ = __index__ = __complex__ = item = tolist = _refuse

    def __float__(self):
        return float(self.view(np.ndarray)) if order.tells else self._refuse()

    def set(self, X, stream=None):
        """Copy from the host."""
        self[:] = X

    def get(self, stream=None, out=None, blocking=True):
        """Copy to the host."""
        out[:] = self

    def __array_wrap__(self, array, context=None, return_scalar=False):
        """Keep single numbers arrays, as CuPy does."""
        return np.asarray(array).view(There)


def there(X):
    """Return an array or a number as an array of the device."""
    return np.array(X).view(There)


def here(X):
    """Return what is on the device as NumPy knows it."""
    return np.array(X.view(np.ndarray))


def gemm(transa, transb, a, b, out, alpha=1.0, beta=0.0):
    """What `cupy.cublas.gemm` does."""
    assert all(X.dtype == np.float32 and X.flags.c_contiguous for X in (a, b, out))
    assert out.shape == ((a, a.T)[transa == "T"].shape[0], (b, b.T)[transb == "T"].shape[1])
    product = (a.T if transa == "T" else a) @ (b.T if transb == "T" else b)
    out[:] = product if beta == 0 else product + np.float32(beta) * out


def _empty(shape, dtype=np.float64):
    """Return what nobody has written: numbers that show."""
    room = np.full(shape, 0xFF, np.uint8) if dtype == np.uint8 else None
    return there(np.full(shape, np.nan, dtype) if room is None else room)


def _empty_like(X):
    return _empty(X.shape, X.dtype)


class _Cupy(SimpleNamespace):
    def __getattr__(self, name):
        function = getattr(np, name)

        def wrapped(*arguments, **options):
            found = function(*arguments, **options)
            return found if found is None else np.asarray(found).view(There)

        return wrapped


class Moment:
    """A stream or an event where everything is done at once."""

    def __init__(self, **_):
        self.id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def wait_event(self, event):
        """Wait for nothing."""

    record = wait_event

    def synchronize(self):
        """Wait for nothing."""


CUDA = SimpleNamespace(
    Stream=Moment,
    Event=Moment,
    Device=lambda *_: Moment(),
    get_current_stream=Moment,
    alloc_pinned_memory=bytearray,
    runtime=SimpleNamespace(memGetInfo=lambda: (2**30, 2**30)),
)
POOL = SimpleNamespace(free_bytes=lambda: 0, used_bytes=lambda: 0, get_limit=lambda: 0)
CUPY = _Cupy(
    cuda=CUDA,
    get_default_memory_pool=lambda: POOL,
    asnumpy=here,
    ndarray=There,
    RawModule=RawModule,
    cublas=SimpleNamespace(gemm=gemm),
    empty=_empty,
    empty_like=_empty_like,
)


def device(**options):
    """Return a device of the kernels' wrappers."""
    return Device(CUPY, **options)


def mixed_device():
    """Return one that takes NumPy's arrays for its own, for steps that are array code in part."""
    return Device(_Cupy(**{**vars(CUPY), "ndarray": np.ndarray}))
