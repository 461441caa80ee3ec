"""The objective asks a backend's kernels first, and says the same with and without them."""

import numpy as np
import pytest

from madapt.losses import (
    Objective,
    graded_listwise_loss,
    listwise_loss,
    neighbor_pairs,
    pairwise_loss,
    ranking_loss,
    topk_loss,
)

DIMS = (2, 3, 5)
WEIGHTS = (1.0, 2.0, 5.0)
LOSS_WEIGHTS = {
    "listwise": {"listwise_weight": 1.0},
    "listwise, weighed": {"listwise_weight": 2.0},
    "topk": {"listwise_weight": 0.0, "topk_weight": 1.3},
    "pairwise": {"listwise_weight": 0.0, "pairwise_weight": 0.4},
    "listwise and topk": {"listwise_weight": 0.7, "topk_weight": 1.3},
    "listwise and pairwise": {"listwise_weight": 0.7, "pairwise_weight": 0.4},
    "all": {"listwise_weight": 0.7, "topk_weight": 1.3, "pairwise_weight": 0.4},
}
generator = np.random.default_rng(5)
Y = generator.standard_normal((7, 5))
S = np.corrcoef(generator.standard_normal((7, 5)))
PAIRS = generator.random((7, 7)) < 0.7
NEAR = generator.random((7, 7)) < 0.4
GRADES = generator.integers(0, 3, (3, 4)).astype(float)
OTHERS = ~np.eye(3, 7, dtype=bool)
FORMS = {
    "square": (Y, S, {}),
    "square, neighbors": (Y, S, {"neighbors": NEAR}),
    "square, pairs": (Y, S, {"pairs": PAIRS}),
    "rectangular": (Y[:3], S[:3], {"columns": Y, "pairs": OTHERS}),
    "rectangular, all": (Y[:3], S[:3], {"columns": Y, "pairs": OTHERS, "neighbors": NEAR[:3]}),
    "rectangular, no pairs": (Y[:3], S[:3], {"columns": Y}),
}


class Kernels(dict):
    """Kernels by name, in plain array code, that note by name what they were called with."""

    def __init__(self, *names):
        self.calls = {}
        super().__init__({name: self._noting(name) for name in names})

    def _noting(self, name):
        def kernel(*arguments, **options):
            self.calls[name] = arguments, options
            return globals()[f"{name}_kernel"](*arguments, **options)

        return kernel


def listwise_kernel(Y, S, dims, **options):
    return listwise_loss(Y, S, dims, **options)


def similarity_kernel(
    Y, S, dims, *, topk_weight, pairwise_weight, neighbors, columns, pairs, weights
):
    if topk_weight and neighbors is None:
        return None
    plain = Objective(
        dims,
        listwise_weight=0.0,
        topk_weight=topk_weight,
        pairwise_weight=pairwise_weight,
        weights=weights,
    )
    return plain.documents(Y, S, neighbors=neighbors, columns=columns, pairs=pairs)


def neighbor_pairs_kernel(S, k, *, pairs, exclude_self):
    pairs = np.ones(S.shape, dtype=bool) if pairs is None else pairs
    counted = pairs & ~np.eye(*S.shape, dtype=bool) if exclude_self else pairs
    nearest = neighbor_pairs(np.where(counted, S, -np.inf), k, exclude_self=False)
    return nearest & counted


def graded_listwise_kernel(Q, D, grades, dims, **options):
    return graded_listwise_loss(Q, D, grades, dims, **options)


def ranking_kernel(Q, D, grades, dims, **options):
    return ranking_loss(Q, D, grades, dims, **options)


def product_kernel(A, B):
    return A @ B


def refusing(name, kernels):
    """Return the kernels with one that cannot serve the case."""
    return {**kernels, name: lambda *arguments, **options: None}


def objective(kernels=None, **settings):
    return Objective(
        DIMS,
        neighbor_temperature=0.2,
        prefix_temperature=0.3,
        relevance_temperature=0.4,
        n_neighbors=2,
        weights=WEIGHTS,
        kernels={} if kernels is None else kernels,
        **settings,
    )


def assert_same(found, wanted):
    assert found[0] == pytest.approx(wanted[0], rel=1e-12)
    assert isinstance(found[1], tuple) is isinstance(wanted[1], tuple)
    pairs = zip(as_tuple(found[1]), as_tuple(wanted[1]), strict=True)
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)


def as_tuple(gradient):
    return gradient if isinstance(gradient, tuple) else (gradient,)


every_form = pytest.mark.parametrize(("rows", "targets", "options"), FORMS.values(), ids=FORMS)
every_weight = pytest.mark.parametrize("settings", LOSS_WEIGHTS.values(), ids=LOSS_WEIGHTS)


# Documents.


@every_form
@every_weight
def test_documents_with_kernels(settings, rows, targets, options):
    kernels = Kernels("listwise", "similarity", "neighbor_pairs")
    plain = objective(**settings)
    assert_same(
        objective(kernels, **settings).documents(rows, targets, **options),
        plain.documents(rows, targets, **options),
    )
    similar = plain.topk_weight or plain.pairwise_weight
    asked = {"listwise"} if plain.listwise_weight else set()
    asked |= {"similarity"} if similar else set()
    asked |= {"neighbor_pairs"} if plain.topk_weight and "neighbors" not in options else set()
    assert kernels.calls.keys() == asked


@every_form
@every_weight
@pytest.mark.parametrize("missing", ["listwise", "similarity", "neighbor_pairs"])
@pytest.mark.parametrize("how", ["absent", "refusing"])
def test_documents_where_a_kernel_is_missing(how, missing, settings, rows, targets, options):
    kernels = dict(Kernels("listwise", "similarity", "neighbor_pairs"))
    if how == "absent":
        del kernels[missing]
    else:
        kernels = refusing(missing, kernels)
    assert_same(
        objective(kernels, **settings).documents(rows, targets, **options),
        objective(**settings).documents(rows, targets, **options),
    )


@pytest.mark.parametrize("form", ["square, pairs", "rectangular"])
def test_what_document_kernels_are_told(form):
    rows, targets, options = FORMS[form]
    columns, pairs = options.get("columns"), options["pairs"]
    kernels = Kernels("listwise", "similarity", "neighbor_pairs")
    objective(kernels, **LOSS_WEIGHTS["all"]).documents(rows, targets, **options)
    for name in ("listwise", "similarity"):
        arguments, found = kernels.calls[name]
        assert arguments[0] is rows
        assert arguments[1] is targets
        assert arguments[2:] == (DIMS,)
        assert found["columns"] is columns
        assert found["pairs"] is pairs
        assert found["weights"] == WEIGHTS
    listwise, similarity = (kernels.calls[name][1] for name in ("listwise", "similarity"))
    assert listwise["temperature"] == pytest.approx([0.2 + 0.3 / m for m in DIMS])
    assert listwise["target_temperature"] == 0.2
    assert (similarity["topk_weight"], similarity["pairwise_weight"]) == (1.3, 0.4)
    nearest = neighbor_pairs_kernel(targets, 2, pairs=pairs, exclude_self=columns is None)
    np.testing.assert_array_equal(similarity["neighbors"], nearest)
    arguments, found = kernels.calls["neighbor_pairs"]
    assert arguments[0] is targets
    assert arguments[1:] == (2,)
    assert found["pairs"] is pairs
    assert found["exclude_self"] is (columns is None)


@pytest.mark.parametrize("is_square", [True, False])
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"listwise_weight": 1.0}, (2.0, 3.0)),
        ({"listwise_weight": 0.5}, (1.0, 1.5)),
        ({"listwise_weight": 0.0, "topk_weight": 0.5}, (10.0, 20.0)),
        ({"listwise_weight": 0.5, "pairwise_weight": 0.5}, (11.0, 21.5)),
    ],
)
def test_what_the_kernels_say_is_returned(settings, expected, is_square):
    def saying(value, slope):
        def kernel(Y, S, dims, **options):
            gradient = np.full(Y.shape, slope)
            return value, gradient if is_square else (gradient, -gradient)

        return kernel

    kernels = {"listwise": saying(2.0, 3.0), "similarity": saying(10.0, 20.0)}
    rows, targets, options = FORMS["square" if is_square else "rectangular"]
    value, gradient = objective(kernels, **settings).documents(rows, targets, **options)
    assert value == expected[0]
    first, *others = as_tuple(gradient)
    assert (first == expected[1]).all()
    for other in others:
        assert (other == -expected[1]).all()
    assert len(others) == (0 if is_square else 1)


@every_weight
def test_documents_are_the_weighted_sum_of_the_losses(settings):
    near = neighbor_pairs(S, 2)
    parts = [
        (
            settings["listwise_weight"],
            listwise_loss(
                Y,
                S,
                DIMS,
                temperature=[0.2 + 0.3 / m for m in DIMS],
                target_temperature=0.2,
                weights=WEIGHTS,
            ),
        ),
        (settings.get("topk_weight", 0.0), topk_loss(Y, S, near, DIMS, weights=WEIGHTS)),
        (settings.get("pairwise_weight", 0.0), pairwise_loss(Y, S, DIMS, weights=WEIGHTS)),
    ]
    value = sum(weight * value for weight, (value, _) in parts)
    gradient = sum(weight * gradient for weight, (_, gradient) in parts)
    assert_same(objective(**settings).documents(Y, S), (value, gradient))


def test_any_documents():
    assert objective().any_documents
    assert not objective(listwise_weight=0.0).any_documents
    for settings in LOSS_WEIGHTS.values():
        assert objective(**settings).any_documents


def test_topk_takes_10_neighbors_by_default():
    rows = np.random.default_rng(2).standard_normal((14, 5))
    targets = np.corrcoef(np.random.default_rng(3).standard_normal((14, 5)))
    value, _ = Objective(DIMS, listwise_weight=0.0, topk_weight=1.0).documents(rows, targets)
    assert value == topk_loss(rows, targets, neighbor_pairs(targets, 10), DIMS)[0]


# Queries and products.


@pytest.mark.parametrize(
    ("relevance", "name"), [("softmax", "graded_listwise"), ("logistic", "ranking")]
)
def test_queries_with_kernels(relevance, name):
    Q, D = Y[:3], Y[3:]
    wanted = objective(relevance=relevance).queries(Q, D, GRADES)
    kernels = Kernels("graded_listwise", "ranking")
    assert_same(objective(kernels, relevance=relevance).queries(Q, D, GRADES), wanted)
    assert kernels.calls.keys() == {name}
    arguments, options = kernels.calls[name]
    for given, array in zip(arguments, (Q, D, GRADES), strict=False):
        assert given is array
    assert arguments[3:] == (DIMS,)
    assert options.keys() == {"temperature", "weights"}
    assert options["weights"] == WEIGHTS
    falling = [0.4 + 0.3 / m for m in DIMS]
    assert options["temperature"] == pytest.approx(falling if relevance == "softmax" else 0.4)
    refused = objective(refusing(name, kernels), relevance=relevance).queries(Q, D, GRADES)
    assert_same(refused, wanted)


def test_queries_are_the_losses():
    Q, D = Y[:3], Y[3:]
    falling = [0.4 + 0.3 / m for m in DIMS]
    assert_same(
        objective().queries(Q, D, GRADES),
        graded_listwise_loss(Q, D, GRADES, DIMS, temperature=falling, weights=WEIGHTS),
    )
    assert_same(
        objective(relevance="logistic").queries(Q, D, GRADES),
        ranking_loss(Q, D, GRADES, DIMS, temperature=0.4, weights=WEIGHTS),
    )


def test_product():
    A, B = Y[:3], Y.T
    kernels = Kernels("product")
    for asked in ({}, kernels, refusing("product", kernels)):
        np.testing.assert_array_equal(objective(asked).product(A, B), A @ B)
    (left, right), _ = kernels.calls["product"]
    assert left is A
    assert right is B
    other = objective({"product": lambda A, B: A @ B + 1.0})
    np.testing.assert_array_equal(other.product(A, B), A @ B + 1.0)
