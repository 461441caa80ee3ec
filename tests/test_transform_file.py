"""A file transformed into a file: the numbers of `transform`, also after kills and refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.exceptions import InvalidFileError, InvalidTypeError, InvalidValueError
from madapt.io import _block_work, _unfinished, open_embeddings, transform_file
from madapt.quantization import PRECISIONS

ROOT = Path(__file__).resolve().parents[1]
N, D, M = 700, 24, 10
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


@pytest.fixture(scope="module", name="adaptor")
def _adaptor():
    return MatryoshkaAdaptor(max_iter=1, guard=False, random_state=0).fit(X)


@pytest.fixture(scope="module", name="with_mlp")
def _with_mlp():
    found = MatryoshkaAdaptor(
        rotation="identity", hidden_dim=16, max_iter=1, guard=False, random_state=0
    )
    return found.fit(X)


@pytest.fixture(name="src")
def _src(tmp_path, monkeypatch):
    """The rows in a file, and many small blocks instead of one."""
    monkeypatch.setattr("madapt._blocks.BLOCK_BYTES", 4 * 64 * D)
    monkeypatch.setattr(_block_work, "_BLOCK_BYTES", 4 * 100 * D)
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


def left(src):
    """Return the names of the files beside the source."""
    return sorted(path.name for path in src.parent.iterdir() if path != src)


def interrupted_at(rows, error=KeyboardInterrupt):
    """Return a `progress` that raises when so many rows are done."""

    def progress(done, n):
        if done >= rows:
            raise error

    return progress


@pytest.mark.parametrize("precision", [None, *PRECISIONS])
@pytest.mark.parametrize("side", ["document", "query"])
def test_the_numbers_of_transform(adaptor, src, precision, side):
    dst = src.with_name("small.npy")
    found = transform_file(adaptor, src, dst, M, side, precision=precision)
    wanted = adaptor.transform(X, M, side, precision=precision)
    stored = np.load(dst)
    assert stored.dtype == wanted.dtype == found.dtype
    assert stored.shape == found.shape
    assert stored.tobytes() == wanted.tobytes()
    assert found.stamp == adaptor.stamp(M, precision=precision)
    assert (found.path, found.resumed_at) == (dst, 0)
    assert 0 < found.checked_rows < N
    assert left(src) == ["small.npy"]


@pytest.mark.parametrize("kind", ["f16", "f64", "parquet", "arrow", "h5", "zarr"])
def test_of_every_kind_of_file(with_mlp, src, kind):
    path, stored = src.with_name(f"Y.{kind}"), X
    if kind in ("f16", "f64"):
        stored = X.astype(kind.replace("f16", "f2").replace("f64", "f8"))
        stored.tofile(path)
    elif kind == "h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file.create_dataset("emb", data=X, chunks=(90, D))
    elif kind == "zarr":
        pytest.importorskip("zarr").create_array(path, data=X, chunks=(90, D))
    else:
        arrow = pytest.importorskip("pyarrow")
        from pyarrow import feather, parquet

        table = arrow.table({"emb": arrow.array(X.tolist(), arrow.list_(arrow.float32()))})
        write = parquet.write_table if kind == "parquet" else feather.write_feather
        write(table, path)
    is_raw = kind in ("f16", "f64")
    source = open_embeddings(path, shape=D) if is_raw else path
    dst = src.with_name("small.npy")
    transform_file(with_mlp, source, dst, M)
    assert np.load(dst).tobytes() == with_mlp.transform(stored, M).tobytes()
    if is_raw:
        assert source[0].shape == (D,)  # still open
        source.close()


@pytest.mark.parametrize("ending", ["parquet", "pq", "arrow", "feather"])
@pytest.mark.parametrize("precision", [None, "float16", "int4"])
def test_to_columns_of_lists(adaptor, src, ending, precision):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    dst = src.with_name(f"small.{ending}")
    dst.write_bytes(b"what was there")
    with pytest.raises(KeyboardInterrupt):
        transform_file(adaptor, src, dst, M, precision=precision, progress=interrupted_at(300))
    assert dst.read_bytes() == b"what was there"
    found = transform_file(adaptor, src, dst, M, precision=precision)
    assert 300 <= found.resumed_at < N
    with open_embeddings(dst) as opened:
        assert opened.column == "embedding"
        assert opened[:].tobytes() == adaptor.transform(X, M, precision=precision).tobytes()
    schema = parquet.read_schema(dst) if ending[0] == "p" else arrow.ipc.open_file(dst).schema
    assert schema.metadata[b"madapt_stamp"].decode() == found.stamp
    assert left(src) == [dst.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left")])
@pytest.mark.parametrize("block_rows", [1, 130, "auto"])
def test_it_goes_on_after_the_last_whole_block(adaptor, src, error, block_rows):
    dst = src.with_name("small.npy")
    dst.write_bytes(b"what was there")
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        transform_file(
            adaptor, src, dst, M, block_rows=block_rows, progress=interrupted_at(350, error)
        )
    assert dst.read_bytes() == b"what was there"
    assert left(src) == ["small.npy", "small.npy.partial", "small.npy.partial.json"]
    state = json.loads(src.with_name("small.npy.partial.json").read_bytes())
    told = []
    found = transform_file(adaptor, src, dst, M, progress=lambda done, n: told.append((done, n)))
    assert found.resumed_at == state["rows"] >= 350
    assert told[0][0] > found.resumed_at
    assert told[-1] == (N, N)
    assert np.load(dst).tobytes() == adaptor.transform(X, M).tobytes()
    assert left(src) == ["small.npy"]


KILLED = """
import json, os, signal, sys
from pathlib import Path

import numpy as np
import madapt._blocks
from madapt import MatryoshkaAdaptor
from madapt.io import _block_work, transform_file

folder, ending, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
adaptor = MatryoshkaAdaptor.load(folder / "adaptor.safetensors")
madapt._blocks.BLOCK_BYTES = 4 * 64 * 24
_block_work._BLOCK_BYTES = 4 * 100 * 24
WATCHED = (str(Path(_block_work.__file__).parent), "_replacing.py")


def transformed(name):
    return transform_file(adaptor, folder / "X.npy", folder / name, 10)


def lines_of(run, last=None):
    # Count lines of madapt.io, and be killed at one of them.
    count = 0

    def line(frame, event, arg):
        nonlocal count
        if event == "line":
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame, event, arg):
        name = frame.f_code.co_filename
        return line if name.startswith(WATCHED[0]) or name.endswith(WATCHED[1]) else None

    sys.settrace(call)
    run()
    sys.settrace(None)
    return count


whole = folder / f"whole.{ending}"
n_lines = lines_of(lambda: transformed(whole.name))
generator = np.random.default_rng(0)
# Anywhere, and at each of the last moments, when it gets its name.
moments = [*generator.integers(1, n_lines, times), *range(n_lines - 24, n_lines)]
dst = folder / f"small.{ending}"
resumed = []
for moment in moments:
    dst.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        lines_of(lambda: transformed(dst.name), int(moment))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), (moment, status)
    if dst.exists():
        assert dst.read_bytes() == whole.read_bytes(), moment
    resumed.append(transformed(dst.name).resumed_at)
    assert dst.read_bytes() == whole.read_bytes(), moment
    rest = {path.name for path in folder.iterdir() if not path.name.endswith(".tmp")}
    assert rest == {"X.npy", "adaptor.safetensors", whole.name, dst.name}, (moment, rest)
print(json.dumps(resumed))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks what is killed")
@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_killed_at_any_line_it_is_resumed_to_the_same_bits(adaptor, src, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    adaptor.save(src.with_name("adaptor.safetensors"))
    names = ("OPENBLAS", "OMP", "MKL", "NUMBA")
    threads = {f"{name}_NUM_THREADS": "1" for name in names}
    command = [sys.executable, "-c", KILLED, str(src.parent), ending, "20"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | threads, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    resumed = json.loads(done.stdout)
    assert len(resumed) == 44
    assert len(set(resumed)) > 4
    assert max(resumed) == N


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_in_the_middle_of_a_block(adaptor, src, monkeypatch):
    dst = src.with_name("small.npy")
    with pytest.raises(KeyboardInterrupt):
        transform_file(adaptor, src, dst, M, progress=interrupted_at(200))
    with src.with_name("small.npy.partial").open("ab") as file:
        file.write(b"half a block, of which the journal does not know")
    transform_file(adaptor, src, dst, M)
    assert np.load(dst).tobytes() == adaptor.transform(X, M).tobytes()


def test_another_request_is_refused(adaptor, with_mlp, src, monkeypatch):
    dst = src.with_name("small.npy")

    def begin():
        with pytest.raises(KeyboardInterrupt):
            transform_file(adaptor, src, dst, M, progress=interrupted_at(200), resume=False)

    begin()
    others = {
        "adaptor": ((with_mlp, src, dst, M), {}),
        "dim": ((adaptor, src, dst, M + 1), {}),
        "side": ((adaptor, src, dst, M, "query"), {}),
        "precision": ((adaptor, src, dst, M), {"precision": "int8"}),
    }
    for name, (arguments, more) in others.items():
        with pytest.raises(InvalidValueError) as caught:
            transform_file(*arguments, **more)
        assert str(caught.value).startswith(f"{name} must be ")
        assert str(caught.value).endswith("or pass resume=False")
    copy = src.with_name("copy.npy")
    copy.write_bytes(src.read_bytes())
    with pytest.raises(InvalidValueError, match="src must be '.*X.npy' to go on"):
        transform_file(adaptor, copy, dst, M)
    status = src.stat()
    os.utime(src, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(InvalidValueError, match="src changed must be"):
        transform_file(adaptor, src, dst, M)
    begin()
    monkeypatch.setattr("madapt._blocks.BLOCK_BYTES", 4 * 32 * D)
    with pytest.raises(InvalidValueError, match="rows at once must be"):
        transform_file(adaptor, src, dst, M)
    assert not dst.exists()
    assert transform_file(adaptor, src, dst, M, resume=False).resumed_at == 0
    assert np.load(dst).tobytes() == adaptor.transform(X, M).tobytes()


def test_a_journal_that_is_none_and_rows_that_are_gone(adaptor, src):
    dst, journal = src.with_name("small.npy"), src.with_name("small.npy.partial.json")
    partial = src.with_name("small.npy.partial")

    def begin():
        with pytest.raises(KeyboardInterrupt):
            transform_file(adaptor, src, dst, M, progress=interrupted_at(200), resume=False)
        return json.loads(journal.read_bytes())

    state = begin()
    unreadable = [b"", b"{}", b"[]", b"\xff", json.dumps(state | {"version": 2}).encode()]
    unreadable += [json.dumps(state | {"rows": rows}).encode() for rows in (0, N + 1, "3")]
    for content in unreadable:
        journal.write_bytes(content)
        with pytest.raises(InvalidFileError, match="is no journal that this version"):
            transform_file(adaptor, src, dst, M)
    begin()
    os.truncate(partial, partial.stat().st_size - 1)
    with pytest.raises(InvalidFileError, match="is not what small.npy.partial.json beside it says"):
        transform_file(adaptor, src, dst, M)
    # Without the rows the journal says nothing.
    partial.unlink()
    assert transform_file(adaptor, src, dst, M).resumed_at == 0
    for content in (None, b"nothing"):
        begin()
        partial.unlink()
        if content is not None:
            journal.write_bytes(content)
        assert transform_file(adaptor, src, dst, M + 1).resumed_at == 0
    assert left(src) == ["small.npy"]


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [(5, "its checksum is another one"), (None, "some of it is not finite"), ("rows", "come out")],
)
def test_what_is_wrong_on_the_disk_never_gets_the_name(adaptor, src, fault, wanted, monkeypatch):
    dst, partial = src.with_name("small.npy"), src.with_name("small.npy.partial")
    with pytest.raises(KeyboardInterrupt):
        transform_file(adaptor, src, dst, M, progress=interrupted_at(200))
    with partial.open("r+b") as file:
        file.seek(128 + 4 * 17)
        file.write(np.array([np.nan if fault is None else 0.5], np.float32).tobytes())
    if fault == "rows":  # written wrongly from the beginning, so that the checksum agrees
        monkeypatch.setattr(_unfinished.zlib, "crc32", lambda data, before=0: 7)
        journal = src.with_name("small.npy.partial.json")
        journal.write_text(json.dumps(json.loads(journal.read_text()) | {"checksum": 7}))
    with pytest.raises(InvalidFileError, match=wanted):
        transform_file(adaptor, src, dst, M)
    assert left(src) == []


def test_without_verification_no_row_is_read_twice(adaptor, src):
    found = transform_file(adaptor, src, src.with_name("a.npy"), M, verify=False)
    assert found.checked_rows == 0


@pytest.mark.parametrize("row", [0, 5, 301])
def test_a_number_that_is_not_finite(adaptor, src, row):
    holed = X.copy()
    holed[row, 3] = np.inf
    np.save(src, holed)
    with pytest.raises(
        InvalidValueError, match=f"X.npy must be .*, got inf in row {row}, column 3"
    ):
        transform_file(adaptor, src, src.with_name("small.npy"), M)
    assert left(src) == ([] if row < 100 else ["small.npy.partial", "small.npy.partial.json"])


def test_no_two_processes_write_one_file(adaptor, src):
    pytest.importorskip("fcntl")
    dst = src.with_name("small.npy")

    def meanwhile(done, n):
        with pytest.raises(InvalidValueError, match="dst must not be written by another process"):
            transform_file(adaptor, src, dst, M)

    transform_file(adaptor, src, dst, M, progress=meanwhile)
    assert np.load(dst).tobytes() == adaptor.transform(X, M).tobytes()


def test_a_link_stays_and_permissions_too(adaptor, src):
    folder = src.parent / "elsewhere"
    folder.mkdir()
    there, link = folder / "real.v1", src.with_name("small.npy")
    there.write_bytes(b"")
    there.chmod(0o640)
    link.symlink_to(there)
    transform_file(adaptor, src, link, M)
    assert link.is_symlink()
    assert there.stat().st_mode & 0o777 == 0o640
    assert np.load(there).shape == (N, M)


BAD = {
    "dim 0": ({"dim": 0}, "dim must lie in 1..24, got 0"),
    "dim text": ({"dim": "8"}, "dim must be an integer in 1..24"),
    "side": ({"side": "left"}, "side must be one of"),
    "precision": ({"precision": "int3"}, "precision must be one of"),
    "column": ({"column": "emb"}, "column must be None for .npy files"),
    "block_rows": ({"block_rows": 0}, "block_rows must be at least 1, got 0"),
    "block_rows text": ({"block_rows": "all"}, "block_rows must be an integer or 'auto'"),
    "block_rows float": ({"block_rows": 1.5}, "block_rows must be an integer, got 1.5"),
    "resume": ({"resume": 1}, "resume must be True or False, got 1"),
    "verify": ({"verify": None}, "verify must be True or False"),
    "progress": ({"progress": True}, "progress must be callable or None"),
    "src": ({"src": X}, "src must be a path or what open_embeddings returns"),
    "src is gone": ({"src": "none.npy"}, "path must be a file that exists, got none.npy"),
    "dst": ({"dst": 3}, "dst must be a path, got 3"),
    "dst npz": ({"dst": "small.npz"}, "dst must end in .npy, .parquet, .pq, .arrow, .feather"),
    "dst folder": ({"dst": "none/small.npy"}, "dst must be in a folder that exists"),
    "adaptor": ({"adaptor": "madapt"}, "adaptor must be a MatryoshkaAdaptor, got 'madapt'"),
    "unfitted": ({"adaptor": MatryoshkaAdaptor()}, "This MatryoshkaAdaptor instance is not fitted"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(adaptor, src, name, monkeypatch):
    monkeypatch.chdir(src.parent)
    changed, message = BAD[name]
    arguments = {"adaptor": adaptor, "src": src, "dst": "small.npy", "dim": M} | changed
    with pytest.raises((ValueError, TypeError, OSError)) as caught:
        transform_file(**arguments)
    assert str(caught.value).startswith(message)
    assert left(src) == []


def test_what_dst_and_src_must_not_be(adaptor, src):
    with pytest.raises(InvalidValueError, match="dst must be another file than src"):
        transform_file(adaptor, src, src, M)
    folder = src.with_name("a.npy")
    folder.mkdir()
    with pytest.raises(InvalidValueError, match="dst must be a file, got the folder"):
        transform_file(adaptor, src, folder, M)
    opened = open_embeddings(src)
    with opened, pytest.raises(InvalidValueError, match="column must be None for a file that is"):
        transform_file(adaptor, opened, src.with_name("b.npy"), M, column="emb")
    np.save(src, X[:, :20])
    with pytest.raises(ValueError, match="X has 20 features"):
        transform_file(adaptor, src, src.with_name("b.npy"), M)
    with pytest.raises(InvalidTypeError, match="dst must be a path, got b'"):
        transform_file(adaptor, src, os.fsencode(src), M)
