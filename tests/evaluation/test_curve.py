"""The dimension curve on collections small and real."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from madapt.baselines import PCAReducer, SVDRotation, Truncation
from madapt.datasets import load_beir
from madapt.evaluation import dimension_curve, ndcg_at_k, retrieval_scores
from madapt.exceptions import InvalidTypeError, InvalidValueError

GENERATOR = np.random.default_rng(0)
CORPUS, QUERIES = GENERATOR.standard_normal((60, 12)), GENERATOR.standard_normal((15, 12))
QRELS = sparse.csr_array(GENERATOR.integers(0, 3, (15, 60)) * (np.arange(15) > 0)[:, None])
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


class Sided:
    """Documents as they are; queries turned around."""

    def transform(self, X, dim, side="document"):
        return np.asarray(X)[:, :dim] * (-1 if side == "query" else 1)


def test_each_dim_is_a_search_of_its_own():
    truncation = Truncation().fit(CORPUS)
    names = ("ndcg@10", "recall@20")
    results = dimension_curve(
        {"truncation": truncation}, CORPUS, QUERIES, QRELS, [1, 5, 12], names, per_query=True
    )
    assert results.dims.tolist() == [1, 5, 12]
    assert results.metrics == names
    for place, m in enumerate(results.dims):
        wanted = retrieval_scores(QUERIES[:, :m], CORPUS[:, :m], QRELS, names)
        each = retrieval_scores(QUERIES[:, :m], CORPUS[:, :m], QRELS, names, average=False)
        for name in names:
            assert results.scores["truncation"][name][place] == pytest.approx(wanted[name])
            np.testing.assert_allclose(results.per_query["truncation"][name][place], each[name])
    assert np.isnan(results.per_query["truncation"]["ndcg@10"][:, 0]).all()


@pytest.mark.parametrize("frozen", [None, "frozen"])
def test_frozen_is_the_whole_embedding_at_every_dim(frozen):
    results = dimension_curve({"whole": frozen}, CORPUS, QUERIES, QRELS, [2, 7])
    wanted = retrieval_scores(QUERIES, CORPUS, QRELS)["ndcg@10"]
    np.testing.assert_allclose(results.scores["whole"]["ndcg@10"], [wanted, wanted])
    assert "per_query" not in results


def test_queries_are_transformed_as_queries():
    results = dimension_curve({"sided": Sided()}, CORPUS, QUERIES, QRELS, [12])
    wanted = retrieval_scores(-QUERIES, CORPUS, QRELS)["ndcg@10"]
    assert results.scores["sided"]["ndcg@10"][0] == pytest.approx(wanted)


def test_default_dims_and_metrics():
    results = dimension_curve({"frozen": None}, CORPUS, QUERIES, QRELS)
    assert results.dims.tolist() == [1, 2, 4, 8, 12]
    assert results.metrics == ("ndcg@10",)


def test_dataframes_in_and_out():
    pandas = pytest.importorskip("pandas")
    frames = [pandas.DataFrame(X, columns=list("abcdefghijkl")) for X in (CORPUS, QUERIES)]
    svd = SVDRotation().set_output(transform="pandas")
    from_frames = dimension_curve({"a": svd.fit(frames[0]), "b": None}, *frames, QRELS)
    from_arrays = dimension_curve(
        {"a": SVDRotation().fit(CORPUS), "b": None}, CORPUS, QUERIES, QRELS
    )
    for name in "ab":
        np.testing.assert_allclose(
            from_frames.scores[name]["ndcg@10"], from_arrays.scores[name]["ndcg@10"]
        )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"methods": SVDRotation()}, InvalidTypeError, "methods must be a dict"),
        ({"methods": {}}, InvalidValueError, "methods must name at least one method, got none"),
        ({"methods": {"a": 3}}, InvalidTypeError, "or be 'frozen', got 3 for 'a'"),
        ({"methods": {"a": "svd"}}, InvalidTypeError, "or be 'frozen', got 'svd' for 'a'"),
        ({"queries": QUERIES[:, :3]}, InvalidValueError, r"got shapes \(15, 3\) and \(60, 12\)"),
        ({"corpus": CORPUS[0]}, InvalidValueError, "queries and corpus must be 2-D"),
        ({"dims": [4, 13]}, InvalidValueError, "dims must lie in 1..12, got 13"),
        ({"dims": [4, 4]}, InvalidValueError, "dims must be strictly increasing"),
        ({"metrics": "map"}, InvalidValueError, "metrics must be 'ndcg@k' or 'recall@k'"),
        ({"qrels": QRELS[:3]}, InvalidValueError, r"qrels must have shape \(15, 60\)"),
        ({"qrels": QRELS * 0}, InvalidValueError, "qrels must hold a grade above 0"),
    ],
)
def test_bad_input_is_named(changes, error, message):
    arguments = {
        "methods": {"frozen": None},
        "corpus": CORPUS,
        "queries": QUERIES,
        "qrels": QRELS,
        **changes,
    }
    with pytest.raises(error, match=message):
        dimension_curve(**arguments)


@pytest.fixture(scope="module")
def nfcorpus():
    folder = SHARED / "nfcorpus"
    if not folder.is_dir():
        pytest.skip("the collections for evaluation lie beside the repository, and are not there")
    return load_beir(folder, "dev", vectors="minilm")


def test_on_real_text_the_svd_beats_truncation_and_loses_nothing_at_full_length(nfcorpus):
    data = nfcorpus
    methods = {
        "frozen": None,
        "truncation": Truncation().fit(data.corpus),
        "SVD": SVDRotation().fit(data.corpus),
        "PCA": PCAReducer().fit(data.corpus),
    }
    names = ("ndcg@10", "recall@100")
    results = dimension_curve(methods, data.corpus, data.queries, data.qrels, [16, 64, 384], names)
    for name in names:
        scores = {method: table[name] for method, table in results.scores.items()}
        assert (scores["SVD"][:2] > scores["truncation"][:2] + 0.01).all()
        assert (scores["SVD"] <= scores["frozen"] + 0.01).all()
        np.testing.assert_allclose(scores["SVD"][-1], scores["frozen"][-1], atol=1e-3)
        np.testing.assert_allclose(scores["truncation"][-1], scores["frozen"][-1], atol=1e-6)


def test_on_real_judgments_ndcg_is_that_of_trec_eval(nfcorpus):
    ir_measures = pytest.importorskip("ir_measures")
    data = nfcorpus
    cosines = data.queries.astype(np.float64) @ data.corpus.astype(np.float64).T
    ranking = np.argsort(-cosines, axis=1)[:, :100]
    entries = data.qrels.tocoo()
    judged = [
        ir_measures.Qrel(str(query), str(document), int(grade))
        for query, document, grade in zip(entries.row, entries.col, entries.data, strict=True)
    ]
    run = [
        ir_measures.ScoredDoc(str(query), str(document), 100.0 - place)
        for query, row in enumerate(ranking)
        for place, document in enumerate(row)
    ]
    wanted = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], judged, run)
    assert ndcg_at_k(ranking, data.qrels) == pytest.approx(wanted[ir_measures.nDCG @ 10])
