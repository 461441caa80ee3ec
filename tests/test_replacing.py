"""The old file or the new one, whole, whatever happens in between."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from madapt import _replacing
from madapt._replacing import replace_file

OLD, NEW = b"old " * 50_000, b"new! " * 60_000


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_a_new_file_and_one_that_is_replaced(tmp_path):
    path = tmp_path / "file"
    for data in (OLD, NEW, b""):
        replace_file(path, data)
        assert path.read_bytes() == data
        assert names_in(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_permissions_are_those_of_the_file_or_of_any_new_one(tmp_path):
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(OLD)
    replace_file(path, OLD)
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o640)
    replace_file(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_stays(tmp_path):
    (tmp_path / "models").mkdir()
    path, link = tmp_path / "models" / "one", tmp_path / "current"
    link.symlink_to(path)
    for data in (OLD, NEW):
        replace_file(link, data)
        assert link.is_symlink()
        assert path.read_bytes() == data


def fail(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["fsync", "replace", "copymode"])
def test_after_an_error_the_old_file_is_there_alone(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    monkeypatch.setattr(_replacing.shutil if step == "copymode" else os, step, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        replace_file(path, NEW)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == ["file"]


def test_after_ctrl_c_the_old_file_is_there_alone(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, NEW)
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_flushed(tmp_path, monkeypatch, number):
    path, flush = tmp_path / "file", os.fsync

    def flushed(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", flushed)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            replace_file(path, NEW)
    else:
        replace_file(path, NEW)
    assert path.read_bytes() == NEW


def test_the_error_names_the_path_that_was_given(tmp_path):
    for path in (tmp_path / "missing" / "file", tmp_path):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            replace_file(path, NEW)
        assert caught.value.filename == str(path)
    assert names_in(tmp_path) == []


LIMITED = """
import resource, sys
from pathlib import Path
from madapt._replacing import replace_file
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    replace_file(Path(sys.argv[1]), b"new! " * 60_000)
except OSError as error:
    print(error)
"""

#: Dies by SIGKILL on the n-th line it runs in the module, or within a write, for each n.
KILLED = """
import os, signal, sys
from pathlib import Path
from madapt import _replacing

path, old, new = Path(sys.argv[1]), b"old " * 50_000, b"new! " * 60_000
lines = 0

def die_on(n):
    def trace(frame, event, argument):
        global lines
        if frame.f_code.co_filename != _replacing.__file__:
            return None
        lines += 1
        if lines > n:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

found = []
for n in range(200):
    path.write_bytes(old)
    child = os.fork()
    if not child:
        die_on(n)
        _replacing.replace_file(path, new)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    data = path.read_bytes()
    found.append("old" if data == old else "new" if data == new else "broken")
    if not os.WIFSIGNALED(status):
        break
print(*found)
"""


def output_of(script, path):
    command = [sys.executable, "-c", script, str(path)]
    root = Path(__file__).parents[1]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout


@pytest.mark.skipif(os.name == "nt", reason="needs limits of POSIX")
def test_a_disk_that_is_full_half_way_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    assert str(path) in output_of(LIMITED, path)
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_on_any_line_it_leaves_the_old_file_or_the_new_one(tmp_path):
    found = output_of(KILLED, tmp_path / "file").split()
    assert len(found) > 15
    assert found == sorted(found, reverse=True)  # old, then new, and nothing else
    assert set(found) == {"old", "new"}
