"""Stock modules of sentence-transformers give what `transform` gives, at every dim."""

import json
import shutil
import warnings

import numpy as np
import pytest
from safetensors import safe_open

from madapt import InvalidFileError, MatryoshkaAdaptor
from madapt._activations import ACTIVATIONS
from madapt._rows import unit_rows
from madapt.export import to_sentence_transformers

BEFORE = [
    {
        "idx": 0,
        "name": "0",
        "path": "",
        "type": "sentence_transformers.models.StaticEmbedding",
        "kwargs": ["task"],
    }
]
CLASSES = {
    "ReLU": "relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Tanh": "tanh",
    "Identity": "identity",
}


@pytest.fixture
def folder(tmp_path):
    """What a saved model looks like from outside."""
    (tmp_path / "modules.json").write_text(json.dumps(BEFORE))
    return tmp_path


def run(folder, X, stored=lambda weights: weights):
    """Do what the files say, in float32, without the library; weights as they are stored."""
    modules = json.loads((folder / "modules.json").read_text())
    assert modules[: len(BEFORE)] == BEFORE
    for module in modules[len(BEFORE) :]:
        assert set(module) == {"idx", "name", "path", "type"}
        if module["type"] == "sentence_transformers.models.Normalize":
            X = unit_rows(X)
            continue
        assert module["type"] == "sentence_transformers.models.Dense"
        config = json.loads((folder / module["path"] / "config.json").read_text())
        with safe_open(folder / module["path"] / "model.safetensors", "np") as file:
            tensors = {name: stored(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        weight = tensors["linear.weight"]
        assert weight.dtype == np.float32
        assert weight.shape == (config["out_features"], config["in_features"])
        assert config["bias"] == ("linear.bias" in tensors)
        assert config["activation_function"].startswith("torch.nn.modules.")
        name = CLASSES[config["activation_function"].rpartition(".")[2]]
        X, _ = ACTIVATIONS[name](X @ weight.T + tensors.get("linear.bias", np.float32(0)))
    return X


@pytest.mark.parametrize("side", ["document", "query"])
def test_the_files_say_what_transform_does(model, folder, rows, check, dim, side):
    to_sentence_transformers(model, folder, side=side)
    Z = run(folder, rows)[:, :dim]
    check(unit_rows(Z) if model.normalize else Z, model, dim, side)


def test_the_whole_vector_has_unit_length(models, folder, rows):
    to_sentence_transformers(models["silu"], folder)
    found = np.linalg.norm(run(folder, rows), axis=1)
    np.testing.assert_allclose(found[found > 0], 1, atol=1e-6)


def test_modules_follow_each_other(models, folder):
    to_sentence_transformers(models["tanh"], folder)
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["idx"] for module in modules] == list(range(5))
    assert [module["path"] for module in modules[1:]] == [
        "madapt_1_Normalize",
        "madapt_2_Dense",
        "madapt_3_Dense",
        "madapt_4_Normalize",
    ]
    with safe_open(folder / "madapt_2_Dense" / "model.safetensors", "np") as file:
        origin = file.metadata()
    assert origin["fingerprint"] == models["tanh"].fingerprint_
    assert origin["format"] == "pt"


def test_linear_adaptors_are_one_dense(linear_model, folder):
    to_sentence_transformers(linear_model, folder)
    assert len(list(folder.glob("*_Dense"))) == 1


def test_a_second_adaptor_is_refused(models, folder):
    to_sentence_transformers(models["rotation"], folder)
    before = (folder / "modules.json").read_bytes()
    with pytest.raises(ValueError, match="path must be a model without an adaptor, got .*afresh"):
        to_sentence_transformers(models["rotation"], folder)
    assert (folder / "modules.json").read_bytes() == before


def test_a_folder_of_something_else_is_refused(models, tmp_path):
    for path in (tmp_path, tmp_path / "nothing", __file__):
        with pytest.raises(ValueError, match="path must be a folder with modules.json, .* got "):
            to_sentence_transformers(models["rotation"], path)
    for text in ("", "{}", "[]", "[3]", '[{"idx": 0}]', '[{"name": 0}]'):
        (tmp_path / "modules.json").write_text(text)
        with pytest.raises(InvalidFileError, match="modules.json holds no list of modules"):
            to_sentence_transformers(models["rotation"], tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["modules.json"]


@pytest.fixture(scope="module")
def saved(rows, tmp_path_factory):
    """A model of one word a vector, as the library saves it."""
    library = pytest.importorskip(
        "sentence_transformers", reason="the library itself is too heavy for CI"
    )
    torch = pytest.importorskip("torch")
    tokenizers = pytest.importorskip("tokenizers")
    words = {f"word{i}": i for i in range(len(rows))}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="word3"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    static = library.sentence_transformer.modules.StaticEmbedding(
        tokenizer, embedding_weights=torch.from_numpy(rows.copy())
    )
    path = tmp_path_factory.mktemp("saved") / "model"
    library.SentenceTransformer(modules=[static], device="cpu").save(str(path))
    return path, list(words)


@pytest.mark.parametrize("side", ["document", "query"])
def test_the_library_encodes_what_transform_gives(model, saved, tmp_path, rows, check, side):
    from sentence_transformers import SentenceTransformer

    path, words = saved
    shutil.copytree(path, tmp_path / "adapted")
    to_sentence_transformers(model, tmp_path / "adapted", side=side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = SentenceTransformer(str(tmp_path / "adapted"), device="cpu")
    for dim in range(1, rows.shape[1] + 1):
        Z = encoder.encode(words, truncate_dim=dim, normalize_embeddings=bool(model.normalize))
        check(Z, model, dim, side)


def test_tanh_lets_long_vectors_of_one_direction_through(folder):
    # All in the first coordinate: what tanh loses is largest there.
    generator = np.random.default_rng(0)
    X = 9 * np.eye(1, 64) + generator.standard_normal((200, 64))
    X = X.astype(np.float32)
    parameters = {"rotation": "svd", "activation": "tanh", "hidden_dim": 8, "guard": False}
    model = MatryoshkaAdaptor(max_iter=5, random_state=0, **parameters).fit(X)
    to_sentence_transformers(model, folder)
    np.testing.assert_allclose(run(folder, X), model.transform(X), rtol=0, atol=1e-6)


def test_tanh_loses_no_more_than_float32_does(folder):
    from madapt.datasets import load_cranfield

    X = load_cranfield("test").corpus
    parameters = {"rotation": "svd", "activation": "tanh", "hidden_dim": 64, "guard": False}
    model = MatryoshkaAdaptor(max_iter=1, random_state=0, **parameters).fit(X)
    random = np.random.default_rng(0)
    W1, W2 = model.adaptor_.W1.shape, model.adaptor_.W2.shape
    model.adaptor_ = model.adaptor_.replace(
        W1=(0.3 * random.standard_normal(W1)).astype(np.float32),
        W2=(0.05 * random.standard_normal(W2)).astype(np.float32),
    )
    to_sentence_transformers(model, folder)
    exact = model.transform(X.astype(np.float64))
    lost = np.abs(model.transform(X) - exact).max()
    assert np.abs(run(folder, X) - exact).max() < 2 * lost < 1e-6
    half = run(folder, X, lambda weights: weights.astype(np.float16).astype(np.float32))
    assert np.abs(half - exact).max() < 3e-4
