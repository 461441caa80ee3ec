"""Model selection with judgments, in every way that scikit-learn has; docs/compatibility.md."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from madapt import Corpus, MatryoshkaAdaptor, RetrievalScorer

N, D, N_QUERIES, DIMS = 90, 16, 24, (4, 8)
GRID = {"m__center": [None, 0.5]}
SCORER = RetrievalScorer(dims=DIMS, metrics=("ndcg@10", "recall@5"))


def judged(n=N, n_queries=N_QUERIES, seed=0):
    """Documents off the origin, queries near some of them, and which those are."""
    generator = np.random.default_rng(seed)
    turned = np.linalg.qr(generator.standard_normal((D, D)))[0]
    documents = (generator.standard_normal((n, D)) * np.linspace(3, 0.3, D)) @ turned + 1
    at = generator.permutation(n)[:n_queries]
    queries = documents[at] + 0.8 * generator.standard_normal((n_queries, D)) + 0.5
    grades = csr_array((np.ones(n_queries), (np.arange(n_queries), at)), shape=(n_queries, n))
    return documents.astype(np.float32), queries.astype(np.float32), grades


X, Q, R = judged()
AS_DICTS = [{int(j): 1.0} for j in R.indices]
#: As many documents as queries: what cross-validation cuts.
SQUARE = judged(24, 24)


def adaptor(**parameters):
    quick = {"rotation": "svd", "hidden_dim": None, "random_state": 0}
    return MatryoshkaAdaptor(**{**quick, **parameters})


def pipeline(first=None, **parameters):
    steps = [("first", first or Normalizer()), ("m", adaptor(**parameters))]
    return Pipeline(steps, transform_input=["corpus"])


@pytest.fixture(autouse=True)
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def search(kind=GridSearchCV, estimator=None, grid=GRID, **options):
    options = {"cv": KFold(3), "error_score": "raise", "scoring": SCORER, **options}
    if options["scoring"].single is None:
        options.setdefault("refit", "ndcg@10")
    return kind(pipeline() if estimator is None else estimator, grid, **options)


def expected(scorer=SCORER, estimator=None, cv=None, y=R, queries=Q, corpus=X):
    """Return each fold's scores, fitted and measured without any search."""
    rows = []
    for train, test in (cv or KFold(3)).split(queries):
        model = clone(pipeline() if estimator is None else estimator)
        fitted = model.fit(queries[train], y[train], corpus=corpus)
        rows.append(scorer(fitted, queries[test], y[test], corpus=corpus))
    return rows


def assert_scores(results, rows, place=0):
    for fold, scores in enumerate(rows):
        for name, value in scores.items():
            assert results[f"split{fold}_test_{name}"][place] == pytest.approx(value, abs=1e-12)


def test_grid_search_with_a_dict_of_scores():
    found = search().fit(Q, R, corpus=X)
    for place, center in enumerate(GRID["m__center"]):
        assert_scores(found.cv_results_, expected(estimator=pipeline(center=center)), place)
    names = ["ndcg@10", "recall@5", "ndcg@10[4]", "ndcg@10[8]", "recall@5[4]", "recall@5[8]"]
    assert [f"mean_test_{name}" in found.cv_results_ for name in names] == [True] * 6
    assert found.best_score_ == found.cv_results_["mean_test_ndcg@10"].max()
    whole = pipeline(center=found.best_params_["m__center"]).fit(Q, R, corpus=X)
    assert found.best_estimator_[-1].fingerprint_ == whole[-1].fingerprint_


def test_grid_search_refit_by_the_score_of_one_dim():
    found = search(refit="recall@5[4]").fit(Q, R, corpus=X)
    assert found.best_score_ == found.cv_results_["mean_test_recall@5[4]"].max()


def test_grid_search_of_the_bare_estimator():
    found = search(estimator=adaptor(), grid={"center": [None, 0.5]}).fit(Q, R, corpus=X)
    assert_scores(found.cv_results_, expected(estimator=adaptor(center=None)))


def test_grid_search_takes_a_list_of_dicts():
    found = search().fit(Q, AS_DICTS, corpus=X)
    same = search().fit(Q, R, corpus=X)
    assert_array_equal(
        found.cv_results_["mean_test_ndcg@10"], same.cv_results_["mean_test_ndcg@10"]
    )


def test_grid_search_takes_names_of_documents():
    names = [f"d{j}" for j in range(N)]
    by_name = [{names[j]: 1.0} for j in R.indices]
    found = search().fit(Q, by_name, corpus=X, corpus_ids=names)
    same = search().fit(Q, R, corpus=X)
    assert_array_equal(
        found.cv_results_["mean_test_ndcg@10"], same.cv_results_["mean_test_ndcg@10"]
    )


def test_grid_search_in_two_processes():
    found = search(n_jobs=2).fit(Q, R, corpus=X)
    same = search().fit(Q, R, corpus=X)
    assert_array_equal(
        found.cv_results_["mean_test_ndcg@10"], same.cv_results_["mean_test_ndcg@10"]
    )


def test_grid_search_with_groups():
    groups = np.arange(N_QUERIES) // 2
    with_groups = GroupKFold(3)
    found = search(cv=with_groups.set_split_request(groups=True)).fit(Q, R, corpus=X, groups=groups)
    train, test = next(GroupKFold(3).split(Q, groups=groups))
    model = pipeline(center=None).fit(Q[train], R[train], corpus=X)
    value = SCORER(model, Q[test], R[test], corpus=X)["ndcg@10"]
    assert found.cv_results_["split0_test_ndcg@10"][0] == pytest.approx(value, abs=1e-12)


def test_randomized_search_with_a_dict_of_scores():
    found = search(RandomizedSearchCV, n_iter=2, random_state=0).fit(Q, R, corpus=X)
    place = found.cv_results_["param_m__center"].tolist().index(None)
    assert_scores(found.cv_results_, expected(estimator=pipeline(center=None)), place)


@pytest.mark.parametrize("kind", [HalvingGridSearchCV, HalvingRandomSearchCV])
def test_halving_search_with_a_single_score(kind):
    single = RetrievalScorer(dims=DIMS, metrics="ndcg@10", single="ndcg@10")
    options = {"min_resources": 12, "random_state": 0, "cv": KFold(2), "scoring": single}
    found = search(kind, **options).fit(Q, R, corpus=X)
    results = found.cv_results_
    assert np.isfinite(results["mean_test_score"]).all()
    assert 0 < found.best_score_ <= 1
    assert sorted(set(results["n_resources"])) == [12]


def test_cross_validate_takes_a_list_of_dicts():
    options = {"cv": KFold(3), "scoring": SCORER, "error_score": "raise"}
    found = cross_validate(pipeline(), Q, AS_DICTS, params={"corpus": X}, **options)
    for fold, scores in enumerate(expected()):
        for name, value in scores.items():
            assert found[f"test_{name}"][fold] == pytest.approx(value, abs=1e-12)


def test_cross_validate_refuses_sparse_judgments():
    with pytest.raises((ValueError, TypeError), match="must be an array-like or None"):
        cross_validate(pipeline(), Q, R, params={"corpus": X}, scoring=SCORER)


def test_cross_validate_of_a_search():
    options = {"cv": KFold(2), "scoring": SCORER, "error_score": "raise"}
    found = cross_validate(search(), Q, AS_DICTS, params={"corpus": X}, **options)
    train, test = next(KFold(2).split(Q))
    inner = search().fit(Q[train], R[train], corpus=X)
    value = SCORER(inner.best_estimator_, Q[test], R[test], corpus=X)["ndcg@10"]
    assert found["test_ndcg@10"][0] == pytest.approx(value, abs=1e-12)


def test_cross_val_score_with_a_single_score():
    single = RetrievalScorer(dims=DIMS, single="ndcg@10[8]")
    options = {"cv": KFold(3), "scoring": single, "error_score": "raise"}
    found = cross_val_score(pipeline(), Q, AS_DICTS, params={"corpus": X}, **options)
    assert found.tolist() == pytest.approx(expected(single), abs=1e-12)


def test_clones_and_pickles_of_a_search():
    one = search()
    for other in (clone(one), pickle.loads(pickle.dumps(one))):
        assert other.scoring == SCORER
        found = other.fit(Q, R, corpus=X)
        assert_scores(found.cv_results_, expected(estimator=pipeline(center=None)))
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.transform(Q), found.transform(Q))


# Earlier steps that change the corpus, and a corpus as long as X.


def test_earlier_steps_transform_the_corpus():
    scaled = pipeline(StandardScaler())
    fitted = scaled.fit(Q, R, corpus=X)
    scaler = StandardScaler().fit(Q)
    alone = adaptor().fit(scaler.transform(Q), R, corpus=scaler.transform(X))
    assert fitted[-1].fingerprint_ == alone.fingerprint_
    found = search(estimator=scaled).fit(Q, R, corpus=X)
    assert_scores(found.cv_results_, expected(estimator=pipeline(StandardScaler(), center=None)))


@pytest.mark.parametrize("kind", [GridSearchCV, HalvingGridSearchCV])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("dicts", [False, True])
def test_a_corpus_as_long_as_the_queries_stays_whole_in_a_corpus(kind, n_jobs, dicts):
    documents, queries, grades = SQUARE
    y = [{int(j): 1.0} for j in grades.indices] if dicts else grades
    options = {"estimator": pipeline(StandardScaler()), "n_jobs": n_jobs}
    if kind is HalvingGridSearchCV:
        single = RetrievalScorer(metrics="ndcg@10", single="ndcg@10")
        options |= {"scoring": single, "min_resources": 24, "random_state": 0}
    found = search(kind, **options).fit(queries, y, corpus=Corpus(documents))
    assert np.isfinite(found.best_score_)
    if kind is GridSearchCV:
        first = expected(
            estimator=pipeline(StandardScaler(), center=None),
            y=grades,
            queries=queries,
            corpus=documents,
        )
        assert_scores(found.cv_results_, first)


def test_a_corpus_stays_whole_in_cross_validate():
    documents, queries, grades = SQUARE
    y = [{int(j): 1.0} for j in grades.indices]
    options = {"cv": KFold(3), "scoring": SCORER, "error_score": "raise"}
    found = cross_validate(adaptor(), queries, y, params={"corpus": Corpus(documents)}, **options)
    rows = expected(estimator=adaptor(), y=grades, queries=queries, corpus=documents)
    assert found["test_ndcg@10"].tolist() == pytest.approx([row["ndcg@10"] for row in rows])


@pytest.mark.parametrize("dicts", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_a_corpus_that_was_cut_is_refused(bare, dicts):
    documents, queries, grades = SQUARE
    y = [{int(j): 1.0} for j in grades.indices] if dicts else grades
    grid = {"center": [None]} if bare else {"m__center": [None]}
    cut = search(estimator=adaptor() if bare else pipeline(), grid=grid)
    with pytest.raises(ValueError, match=r"corpus must .*corpus=madapt.Corpus\(corpus\)"):
        cut.fit(queries, y, corpus=documents)


def test_all_fits_on_a_cut_corpus_fail_whatever_the_error_score():
    documents, queries, grades = SQUARE
    with pytest.raises(ValueError, match=r"(?s)All the .* fits failed.*madapt.Corpus"):
        search(error_score=np.nan).fit(queries, grades, corpus=documents)


class Embedder(TransformerMixin, BaseEstimator):
    """Stands for a model that embeds texts."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[len(text), *map(ord, text)] for text in X], dtype=np.float32)

    def __sklearn_is_fitted__(self):
        return True


def test_a_corpus_of_texts_that_the_first_step_embeds():
    texts = ["".join(chr(97 + (i * k) % 23) for k in range(2, 9)) for i in range(20)]
    queries = texts[:12]
    grades = csr_array(np.eye(12, 20))
    embedded = Embedder().transform(texts)
    scorer = RetrievalScorer(metrics="ndcg@10")
    for corpus in (texts, Corpus(texts)):
        options = {"estimator": pipeline(Embedder()), "scoring": scorer}
        found = search(**options).fit(queries, grades, corpus=corpus)
        rows = expected(
            scorer, adaptor(center=None), y=grades, queries=embedded[:12], corpus=embedded
        )
        assert_scores(found.cv_results_, rows)


# What must not pass silently.


def test_a_search_with_a_corpus_and_no_scorer_is_refused_before_it_fits():
    with pytest.raises(UnsetMetadataPassedError, match="corpus.*MatryoshkaAdaptor.score"):
        GridSearchCV(adaptor(), {"center": [None]}).fit(Q, R, corpus=X)


def test_a_search_of_a_pipeline_with_a_corpus_and_no_scorer_scores_nan_and_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = GridSearchCV(pipeline(), GRID, cv=2).fit(Q, R, corpus=X)
    assert np.isnan(found.cv_results_["mean_test_score"]).all()
    messages = [str(warning.message) for warning in caught]
    assert sum("Scoring failed" in message for message in messages) == 4
    assert any("test scores are non-finite" in message for message in messages)
    # The corpus reaches the pipeline's score in some versions, and is refused there; else y is.
    with pytest.raises(ValueError, match="corpus.*MatryoshkaAdaptor.score|RetrievalScorer"):
        GridSearchCV(pipeline(), GRID, cv=2, error_score="raise").fit(Q, R, corpus=X)


def test_the_plain_score_refuses_judgments():
    model = adaptor().fit(Q, R, corpus=X)
    for y in (R, AS_DICTS, R.toarray(), np.array(AS_DICTS, dtype=object)):
        with pytest.raises(ValueError, match=r"y must not hold judgments.*RetrievalScorer"):
            model.score(Q, y)
    assert model.score(Q, np.arange(N_QUERIES)) == model.score(Q)


def test_a_search_without_routing_says_what_to_switch_on():
    with config_context(enable_metadata_routing=False):
        refused = search(estimator=adaptor(), grid={"center": [None]})
        with pytest.raises(TypeError, match="corpus must.*enable_metadata_routing=True"):
            refused.fit(Q, R, corpus=X)


def test_both_forms_at_once_are_refused():
    with pytest.raises(ValueError, match="both forms at once"):
        search().fit(Q, R, corpus=X, queries=Q)


# Without judgments.


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("make", [adaptor, pipeline])
def test_grid_search_without_judgments_uses_the_plain_score(make, enabled):
    name = "rotation" if make is adaptor else "m__rotation"
    with config_context(enable_metadata_routing=enabled), warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = (
            make() if enabled or make is adaptor else make().set_params(transform_input=None)
        )
        found = GridSearchCV(estimator, {name: ["svd", "identity"]}, cv=KFold(2)).fit(X)
        train, test = next(KFold(2).split(X))
        alone = clone(estimator).set_params(**{name: "svd"}).fit(X[train])
        assert found.cv_results_["split0_test_score"][0] == alone.score(X[test])
    assert found.best_params_ == {name: "svd"}
