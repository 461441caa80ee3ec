"""`madapt transform --resume`: what an interrupted run has written is gone on with."""

import numpy as np
import pytest

from madapt.io import _block_work, _unfinished


@pytest.fixture
def blocks(monkeypatch):
    """Several blocks instead of one."""
    monkeypatch.setattr("madapt._blocks.BLOCK_BYTES", 4 * 384 * 60)
    monkeypatch.setattr(_block_work, "_BLOCK_BYTES", 4 * 384 * 90)


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C after so many blocks, once."""
    append = _unfinished.Unfinished.append

    def after(times):
        done = []

        def append_some(rows, block):
            append(rows, block)
            done.append(1)
            if len(done) == times:
                raise KeyboardInterrupt

        monkeypatch.setattr(_unfinished.Unfinished, "append", append_some)

    return after


@pytest.mark.parametrize("name", ["corpus.npy", "corpus.parquet", "corpus.pq"])
def test_it_goes_on(
    name, blocks, interrupt, files, model, adaptor, data, tmp_path, command, succeed
):
    path = tmp_path / "small.npy"
    arguments = ["transform", model, files / name, "-o", path, "--dim", 8, "--resume"]
    interrupt(2)
    assert command(*arguments) == (130, "", "madapt: interrupted\n")
    rest = [one.name for one in sorted(tmp_path.iterdir())]
    assert rest == ["small.npy.partial", "small.npy.partial.json"]
    code, _, err = command(*arguments[:-2], 16, "--resume")
    assert code == 2
    assert err.startswith("madapt: error: --dim must be 8 to go on ")
    found = succeed(*arguments)
    assert 0 < found["resumed_at"] < 400
    np.testing.assert_array_equal(np.load(path), adaptor.transform(data.corpus, 8))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert succeed(*arguments)["resumed_at"] == 0


def test_words_for_people(blocks, interrupt, files, model, tmp_path, command):
    arguments = ["transform", model, files / "corpus.npy", "-o", tmp_path / "a.npy", "--resume"]
    interrupt(1)
    command(*arguments)
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("The first ")


def test_what_it_cannot_go_on_with(files, model, tmp_path, command):
    cases = {
        ("corpus.npz", "a.npy"): "--resume must come with a .npy or Parquet file as INPUT, got ",
        ("beir", "a.npy"): "--resume must come with a .npy or Parquet file as INPUT, got ",
        ("corpus.parquet", "a.pq"): "--resume must come with a .npy file as --output where INPUT",
        ("corpus.npy", "a.npz"): "--output must end in .npy, .parquet, .pq",
    }
    for (name, output), message in cases.items():
        code, out, err = command(
            "transform", model, files / name, "-o", tmp_path / output, "--resume"
        )
        assert (code, out) == (2, "")
        assert err.startswith(f"madapt: error: {message}")
        assert not list(tmp_path.iterdir())
