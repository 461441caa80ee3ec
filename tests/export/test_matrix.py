"""A matrix of NumPy's and a transform of FAISS's give what `transform` gives, at every dim."""

import warnings

import numpy as np
import pytest

from madapt.export import to_faiss, to_npy


def unit(Z):
    lengths = np.linalg.norm(Z, axis=1, keepdims=True)
    return Z / np.where(lengths > 0, lengths, 1)


@pytest.fixture(scope="module")
def faiss():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SWIG's types
        return pytest.importorskip("faiss", reason="to_faiss needs FAISS")


def test_npy_is_what_transform_gives(matrix_model, tmp_path, rows, check, dim):
    to_npy(matrix_model, tmp_path / "rotation.npy")
    M = np.load(tmp_path / "rotation.npy", allow_pickle=False)
    assert M.dtype == np.dtype("<f4")
    assert M.flags.c_contiguous
    np.testing.assert_allclose(M, matrix_model.rotation_, atol=1e-7)
    Z = rows @ M[:dim].T
    check(unit(Z) if matrix_model.normalize else Z, matrix_model, dim)


def test_npy_of_some_components(models, tmp_path):
    for name, dim in (("all", None), ("five", 5)):
        to_npy(models["rotation"], tmp_path / name, dim)
    whole, five = (np.load(tmp_path / name) for name in ("all", "five"))
    np.testing.assert_array_equal(five, whole[:5])


def test_npy_refuses_what_is_no_matrix(other_model, tmp_path):
    with pytest.raises(ValueError, match="adaptor must be .* for one matrix, got one .*to_onnx"):
        to_npy(other_model, tmp_path / "rotation.npy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", ["document", "query"])
def test_faiss_is_what_transform_gives(faiss, linear_model, rows, check, dim, side):
    transform = to_faiss(linear_model, dim, side=side)
    assert isinstance(transform, faiss.LinearTransform)
    assert (transform.d_in, transform.d_out) == (rows.shape[1], dim)
    X = rows
    if linear_model.normalize:
        X = faiss.NormalizationTransform(rows.shape[1]).apply(rows)
    Z = transform.apply(X)
    if linear_model.normalize:
        Z = faiss.NormalizationTransform(dim).apply(Z)
    check(Z, linear_model, dim, side)


def test_faiss_index_with_a_rotation_in_front(faiss, models, rows, tmp_path):
    model, d = models["rotation"], rows.shape[1]
    index = faiss.IndexPreTransform(faiss.NormalizationTransform(4), faiss.IndexFlatIP(4))
    rotation = to_faiss(model, 4)
    index.prepend_transform(rotation)
    index.add(rows)
    similarities, indices = index.search(rows[:5], 3)
    Z = model.transform(rows, dim=4)
    S = Z[:5] @ Z.T
    np.testing.assert_allclose(similarities, -np.sort(-S, axis=1)[:, :3], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(S, indices, 1), similarities, atol=1e-6)
    assert rotation.is_orthonormal
    assert to_faiss(model).d_out == d
    faiss.write_index(index, str(tmp_path / "index"))
    again, _ = faiss.read_index(str(tmp_path / "index")).search(rows[:5], 3)
    np.testing.assert_array_equal(again, similarities)


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "tanh"])
def test_faiss_refuses_an_mlp(models, name):
    message = f"adaptor must be linear for faiss.LinearTransform, got one with an MLP .{name}"
    with pytest.raises(ValueError, match=message):
        to_faiss(models[name])
