"""The recipes of docs/adapters.md give what `transform` gives, from recorded shapes of answers."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield

PAGE = Path(__file__).parents[1] / "docs" / "adapters.md"
if not PAGE.exists():
    pytest.skip("the docs are not there, only the package", allow_module_level=True)
SECTIONS = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
)
TEXTS = ["a wing in a slipstream", "heat transfer at the nose"]


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def adaptor():
    data = load_cranfield("train")
    settings = {"max_iter": 2, "guard": False, "center": 0.5, "random_state": 0}
    return MatryoshkaAdaptor(**settings).fit(data.corpus, queries=data.queries)


@pytest.fixture
def names(adaptor):
    """What the page takes as given, its class among it; rows[i] is what TEXTS[i] embeds to."""
    rows = load_cranfield().corpus[:2]
    given = {
        "adaptor": adaptor,
        "rows": rows,
        "first": rows[0].tolist(),
        "second": rows[1].tolist(),
    }
    (code,) = blocks(PAGE.read_text(encoding="utf-8").partition("\n## ")[0])
    exec(code, given)
    return given


def embed(texts):
    rows = load_cranfield().corpus[:2]
    return rows[[TEXTS.index(text) for text in texts]].tolist()


def run(section, names):
    """Run a section; return the vectors that each of its blocks left."""
    found = []
    for code in blocks(SECTIONS[section]):
        names.pop("vectors", None)
        exec(compile(code, PAGE.name, "exec"), names)
        found += [names["vectors"]] if "vectors" in names else []
    return found


def assert_adapted(found, names, side="document"):
    wanted = names["adaptor"].transform(names["rows"], dim=64, side=side)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def real(library):
    """Import a library, whose own warnings are not ours, or skip."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(library, reason="the stand-in is tested instead")


def static_model():
    """A real SentenceTransformer that knows TEXTS, each as one word of its own."""
    library = real("sentence_transformers")
    modules = real("sentence_transformers.sentence_transformer.modules")
    tokenizers = real("tokenizers")
    words = tokenizers.models.WordLevel({TEXTS[0]: 0, TEXTS[1]: 1, "?": 2}, unk_token="?")
    weights = load_cranfield().corpus[:3]
    module = modules.StaticEmbedding(tokenizers.Tokenizer(words), embedding_weights=weights)
    return library.SentenceTransformer(modules=[module], device="cpu")


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_itself(names):
    given = names | {"model": static_model()}
    assert_adapted(run("SentenceTransformers", given)[-1], names)
    assert_adapted(given["query"], names, side="query")


@pytest.mark.parametrize("has_sides", [True, False])
def test_sentence_transformers(names, has_sides):
    asked = []

    def method(name):
        return lambda texts: asked.append(name) or np.float32(embed(texts))

    sides = ["encode_document", "encode_query"] if has_sides else []
    given = names | {
        "model": SimpleNamespace(**{name: method(name) for name in ["encode", *sides]})
    }
    (vectors,) = run("SentenceTransformers", given)
    assert_adapted(vectors, names)
    assert_adapted(given["query"], names, side="query")
    assert asked == (["encode_document", "encode_query"] if has_sides else ["encode", "encode"])


def test_openai(names):
    def create(model, input):
        items = [SimpleNamespace(index=i, embedding=row) for i, row in enumerate(embed(input))]
        return SimpleNamespace(data=items[::-1])

    client = SimpleNamespace(embeddings=SimpleNamespace(create=create))
    found = run("OpenAI", names | {"openai_client": client})
    assert len(found) == 2
    for vectors in found:
        assert_adapted(vectors, names)


def test_cohere(names):
    asked = []

    def answer(model, texts, input_type, embedding_types):
        asked.append(input_type)
        return SimpleNamespace(embeddings=SimpleNamespace(float_=embed(texts)))

    client = SimpleNamespace(embed=answer)
    queries, documents = run("Cohere", names | {"cohere_client": client})
    assert_adapted(queries, names, side="query")
    assert_adapted(documents, names)
    assert asked == ["search_query"]


def test_ollama(names):
    client = SimpleNamespace(embed=lambda model, input: {"embeddings": embed(input)})
    found = run("Ollama", names | {"ollama_client": client})
    assert len(found) == 2
    for vectors in found:
        assert_adapted(vectors, names)


def stub(monkeypatch, path, **content):
    """Put a stand-in where a library would be."""
    parts = path.split(".")
    for end in range(1, len(parts) + 1):
        module = ModuleType(".".join(parts[:end]))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module).update(content)


class FakeBaseEmbedding:
    """What the recipe uses of LlamaIndex's base class, where that is not installed."""

    def __init__(self, **fields):
        vars(self).update(fields)

    def get_query_embedding(self, query):
        return self._get_query_embedding(query)

    def get_text_embedding(self, text):
        return self._get_text_embedding(text)

    def get_text_embedding_batch(self, texts):
        return self._get_text_embeddings(texts)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("installed", [True, False])
def test_langchain(names, installed, monkeypatch):
    if installed:
        base = real("langchain_core.embeddings").Embeddings
    else:
        base = type("Embeddings", (), {})
        stub(monkeypatch, "langchain_core.embeddings", Embeddings=base)
    inner = SimpleNamespace(embed_documents=embed, embed_query=lambda text: embed([text])[0])
    given = names | {"langchain_embeddings": inner}
    run("LangChain", given)
    assert isinstance(given["small"], base)
    assert_adapted(given["documents"], names)
    assert_adapted([given["query"], given["small"].embed_query(TEXTS[1])], names, side="query")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("installed", [True, False])
def test_llama_index(names, installed, monkeypatch):
    if installed:
        base = real("llama_index.core.base.embeddings.base").BaseEmbedding
    else:
        base = FakeBaseEmbedding
        stub(monkeypatch, "llama_index.core.base.embeddings.base", BaseEmbedding=base)
    inner = SimpleNamespace(
        get_text_embedding=lambda text: embed([text])[0],
        get_query_embedding=lambda text: embed([text])[0],
        get_text_embedding_batch=embed,
    )
    given = names | {"llama_embedding": inner, "__name__": "page"}
    run("LlamaIndex", given)
    assert isinstance(given["small"], base)
    assert_adapted(given["documents"], names)
    assert_adapted([given["small"].get_text_embedding(text) for text in TEXTS], names)
    assert_adapted([given["query"], given["small"].get_query_embedding(TEXTS[1])], names, "query")
