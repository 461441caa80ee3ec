"""The scorer of model selection by itself: what it measures, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from madapt import Corpus, MatryoshkaAdaptor, RetrievalScorer
from madapt.baselines import PCAReducer
from madapt.evaluation import retrieval_scores

N, D, N_QUERIES = 60, 12, 20
generator = np.random.default_rng(0)
X = (generator.standard_normal((N, D)) + 1).astype(np.float32)
AT = generator.permutation(N)[:N_QUERIES]
Q = (X[AT] + 0.8 * generator.standard_normal((N_QUERIES, D)) - 0.5).astype(np.float32)
R = csr_array((np.ones(N_QUERIES), (np.arange(N_QUERIES), AT)), shape=(N_QUERIES, N))
NDCG = RetrievalScorer(metrics="ndcg@10")


def fitted(**parameters):
    quick = {"rotation": "svd", "hidden_dim": None, "center": 0.75, "random_state": 0}
    return MatryoshkaAdaptor(**{**quick, **parameters}).fit(X, queries=Q)


def by_hand(model, dim=None, metrics="ndcg@10", side="query"):
    asked, searched = model.transform(Q, dim=dim, side=side), model.transform(X, dim=dim)
    return retrieval_scores(asked, searched, R, metrics)


def test_without_dims_it_measures_the_estimators_own_output():
    model = fitted(dim=5)
    assert NDCG(model, Q, R, corpus=X) == by_hand(model, 5)
    both = RetrievalScorer()(model, Q, R, corpus=X)
    assert both == by_hand(model, 5, ("ndcg@10", "recall@100"))


def test_with_dims_the_plain_name_is_their_mean():
    model, scorer = fitted(), RetrievalScorer(dims=(2, 6, 12), metrics=("recall@3", "ndcg@10"))
    scores = scorer(model, Q, R, corpus=X)
    assert tuple(scores) == scorer.names
    for name in ("recall@3", "ndcg@10"):
        each = [by_hand(model, m, name)[name] for m in (2, 6, 12)]
        assert [scores[f"{name}[{m}]"] for m in (2, 6, 12)] == each
        assert scores[name] == pytest.approx(np.mean(each), abs=1e-15)
    assert all(type(value) is float for value in scores.values())


@pytest.mark.parametrize("single", ["ndcg@10", "recall@3[6]"])
def test_a_single_score_is_a_number(single):
    options = {"dims": (2, 6), "metrics": ("ndcg@10", "recall@3")}
    model = fitted()
    alone = RetrievalScorer(**options, single=single)(model, Q, R, corpus=X)
    assert alone == RetrievalScorer(**options)(model, Q, R, corpus=X)[single]


def test_queries_are_centred_as_queries():
    model = fitted()
    assert by_hand(model) != by_hand(model, side="document")
    assert NDCG(model, Q, R, corpus=X) == by_hand(model)


@pytest.mark.parametrize("enabled", [False, True])
def test_queries_are_centred_as_queries_in_a_pipeline(enabled):
    # Nested, with a step before, and one behind that knows nothing of sides and dims.
    model = fitted()
    nested = Pipeline([("inner", make_pipeline(Normalizer(), model)), ("none", "passthrough")])
    with config_context(enable_metadata_routing=enabled):
        scores = RetrievalScorer(dims=(3,), metrics="ndcg@10")(nested, Q, R, corpus=X)
    unit_Q, unit_X = Normalizer().transform(Q), Normalizer().transform(X)
    asked, searched = model.transform(unit_Q, 3, "query"), model.transform(unit_X, 3)
    assert scores["ndcg@10[3]"] == retrieval_scores(asked, searched, R)["ndcg@10"]


def test_steps_behind_the_adaptor_come_after_it():
    model, scaler = fitted(dim=4), StandardScaler()
    scaler.fit(model.transform(X))
    asked = scaler.transform(model.transform(Q, side="query"))
    searched = scaler.transform(model.transform(X))
    expected = retrieval_scores(asked, searched, R)
    assert NDCG(make_pipeline(model, scaler), Q, R, corpus=X) == expected


def test_the_last_step_that_takes_a_dim_gets_it():
    first = fitted(dim=8)
    second = PCAReducer().fit(first.transform(X))
    scores = RetrievalScorer(dims=(2,), metrics="ndcg@10")(
        make_pipeline(first, second), Q, R, corpus=X
    )
    asked = second.transform(first.transform(Q, side="query"), dim=2)
    searched = second.transform(first.transform(X), dim=2)
    assert scores["ndcg@10[2]"] == retrieval_scores(asked, searched, R)["ndcg@10"]


@pytest.mark.parametrize("kind", ["union", "columns"])
def test_sides_reach_into_unions_with_routing_and_are_refused_without(kind):
    adaptor = MatryoshkaAdaptor(rotation="svd", hidden_dim=None, center=0.75, random_state=0)
    if kind == "union":
        union = FeatureUnion([("a", adaptor), ("b", Normalizer())])
    else:
        union = ColumnTransformer([("a", adaptor, slice(0, D))])
    with config_context(enable_metadata_routing=True):
        union.fit(X, queries=Q)
        asked, searched = union.transform(Q, side="query"), union.transform(X)
        assert not np.allclose(asked, union.transform(Q))
        assert NDCG(union, Q, R, corpus=X) == retrieval_scores(asked, searched, R)
    with pytest.raises(ValueError, match=r"let side='query' through.*enable_metadata_routing"):
        NDCG(union, Q, R, corpus=X)


class Wrapper(TransformerMixin, BaseEstimator):
    def __init__(self, inner):
        self.inner = inner

    def transform(self, X):
        return self.inner.transform(X)


@pytest.mark.parametrize("enabled", [False, True])
def test_a_step_that_would_lose_the_side_is_refused(enabled):
    with config_context(enable_metadata_routing=enabled):
        with pytest.raises(ValueError, match=r"through to MatryoshkaAdaptor, got a Wrapper"):
            NDCG(make_pipeline(Normalizer(), Wrapper(fitted())), Q, R, corpus=X)
        NDCG(Wrapper(Normalizer()), Q, R, corpus=X)


def test_other_transformers_are_measured_too():
    for other in (TruncatedSVD(4, random_state=0), PCAReducer(dim=4), Normalizer()):
        other.fit(X)
        expected = retrieval_scores(other.transform(Q), other.transform(X), R)
        assert NDCG(other, Q, R, corpus=X) == expected
    assert NDCG(Pipeline([("none", "passthrough")]), Q, R, corpus=X) == retrieval_scores(Q, X, R)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_outputs_may_be_frames(container):
    pytest.importorskip(container)
    expected = NDCG(fitted(), Q, R, corpus=X)
    assert NDCG(fitted().set_output(transform=container), Q, R, corpus=X) == expected


def test_judgments_in_every_form_and_a_whole_corpus():
    model, names = fitted(), [f"d{j}" for j in range(N)]
    expected = NDCG(model, Q, R, corpus=X)
    assert NDCG(model, Q, [{int(j): 1} for j in AT], corpus=X) == expected
    named = [{names[j]: 1} for j in AT]
    assert NDCG(model, Q, named, corpus=X, corpus_ids=names) == expected
    assert NDCG(model, Q, R, corpus=Corpus(X)) == expected


def test_queries_without_a_positive_do_not_count():
    some = R.copy()
    some.data[5:] = 0
    expected = NDCG(fitted(), Q[:5], R[:5], corpus=X)
    assert NDCG(fitted(), Q, some, corpus=X) == expected


def test_it_is_a_value():
    one = RetrievalScorer(dims=[2, 6], metrics=["ndcg@10"], single="ndcg@10[6]")
    same = RetrievalScorer((2, 6), ("ndcg@10",), "ndcg@10[6]")
    assert one == same
    assert hash(one) == hash(same)
    assert one != RetrievalScorer(dims=(2, 6), metrics="ndcg@10")
    assert eval(repr(one), {"RetrievalScorer": RetrievalScorer}) == one
    for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), clone(one)):
        assert copied == one
    with pytest.raises(AttributeError):
        one.single = None


def test_it_requests_the_corpus():
    requested = RetrievalScorer().get_metadata_routing().score.requests
    assert requested == {"corpus": True, "corpus_ids": True}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dims": 64}, "dims must be a sequence of integers, got 64"),
        ({"dims": "64"}, "dims must be a sequence of integers, got '64'"),
        ({"dims": ()}, r"dims must be strictly increasing, and at least one, got \[\]"),
        ({"dims": (4, 2)}, r"dims must be strictly increasing, .* got \[4, 2\]"),
        ({"dims": (0, 2)}, "dims must be at least 1, got 0"),
        ({"dims": (2.0,)}, "dims must be an integer, got 2.0"),
        ({"metrics": "map"}, "metrics must be 'ndcg@k' or 'recall@k', .* got 'map'"),
        ({"metrics": ()}, "metrics must name at least one metric, got none"),
        ({"single": "ndcg@5"}, "single must be one of 'ndcg@10', 'recall@100', got 'ndcg@5'"),
        ({"dims": (2,), "single": "ndcg@10[3]"}, r"single must be one of .*, got 'ndcg@10\[3\]'"),
    ],
)
def test_parameters_that_are_refused(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        RetrievalScorer(**parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": None}, "corpus must be all documents, got None.*enable_metadata_routing"),
        ({"corpus": 3}, "corpus must have rows, got 3"),
        ({"X": None}, "X must have rows, got None"),
        ({"y": None}, "y must be the judgments of the queries in X, got None"),
        ({"y": R[:3]}, r"y must have shape \(20, 60\), queries by documents, got \(3, 60\)"),
        ({"y": np.arange(20)}, "y must be sparse, a list of dicts or a dict of dicts"),
        ({"corpus": X[:20]}, r"corpus must have a row for each of the 60 columns of y, got 20"),
        ({"corpus": X[:30]}, r"y must have shape \(20, 30\), queries by documents"),
        ({"corpus": X[:20], "y": [{0: 1}] * 20}, "corpus must be a madapt.Corpus where it is as"),
        ({"y": csr_array(R.shape)}, "y must hold at least one grade above 0"),
        ({"estimator": "x"}, "estimator must have a transform, got 'x'"),
        ({"estimator": Normalizer()}, r"dims must be None unless .* got dims=\[2, 13\] and Norm"),
        ({"estimator": fitted()}, r"dims must lie in 1..12, got 13"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    dims = (2, 13) if "estimator" in arguments else None
    given = {"estimator": fitted(), "X": Q, "y": R, "corpus": X, **arguments}
    with pytest.raises((ValueError, TypeError), match=message):
        RetrievalScorer(dims=dims)(**given)


def test_nothing_is_computed_before_dims_are_checked():
    class Counts(MatryoshkaAdaptor):
        calls = 0

        def transform(self, X, dim=None, side="document", **options):
            self.calls += 1
            return super().transform(X, dim, side, **options)

    model = Counts(rotation="svd", hidden_dim=None).fit(X)
    with pytest.raises(ValueError, match="dims"):
        RetrievalScorer(dims=(2, 13))(model, Q, R, corpus=X)
    assert model.calls == 0
    assert_array_equal(R.data, 1)
