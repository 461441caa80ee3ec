"""Every bad parameter: which error, naming the parameter, what was wanted and what came.

All of them come in fit and partial_fit, before any work, and leave nothing fitted behind.
"""

import inspect

import numpy as np
import pytest

import madapt._stream
import madapt.estimator
from madapt import MadaptError, MatryoshkaAdaptor

X = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)


def numbers(name, *, low="at least 0", wrong=-1, pair=False):
    """List wrong values of a parameter that is a number, or may be a pair of them."""
    listed = [
        (wrong, ValueError, f"{name} must be {low}, got {wrong}"),
        (np.nan, ValueError, f"{name} must be finite, got nan"),
        (np.inf, ValueError, f"{name} must be finite, got inf"),
        ("1", TypeError, f"{name} must be a number, got '1'"),
        (None, TypeError, f"{name} must be a number, got None"),
        (True, TypeError, f"{name} must be a number, got True"),
    ]
    return listed + (pairs(name, 0.1, (0.1, wrong), f"{low}, got {wrong}") if pair else [])


def integers(name, *, wanted, wrong, pair=False):
    listed = [
        *[(value, ValueError, f"{name} must {wanted}, got {value}") for value in wrong],
        (2.5, TypeError, f"{name} must be an integer, got 2.5"),
        ("x", TypeError, f"{name} must be an integer, got 'x'"),
        (True, TypeError, f"{name} must be an integer, got True"),
    ]
    return listed + (pairs(name, 2, (2, wrong[0]), f"got {wrong[0]}") if pair else [])


def pairs(name, right, wrong, message):
    return [
        ((right,), ValueError, rf"{name} must be one value or a pair, got \({right},\)"),
        ([right] * 3, ValueError, rf"{name} must be one value or a pair, got \[{right}, "),
        (wrong, ValueError, f"{name} must be .*{message}"),
    ]


def words(name, *choices):
    wanted = f"{name} must be one of {', '.join(map(repr, choices))}, got"
    values = ("other", None, 3, [choices[0]])
    return [(value, ValueError, f"{wanted} .*{str(value)[:4].strip('[')}") for value in values]


def switches(name):
    return [
        (value, TypeError, f"{name} must be True or False, got {value!r}")
        for value in (1, "yes", None)
    ]


#: Parameter -> value, error, message.
PARAMETERS = {
    "dims": [
        ((8, 4), ValueError, r"dims must be strictly increasing, got \[8, 4\]"),
        ((4, 4), ValueError, r"dims must be strictly increasing, got \[4, 4\]"),
        ((), ValueError, r"dims must name at least one dim, got \(\)"),
        ((4, 17), ValueError, "dims must lie in 1..16, got 17"),
        ((0, 4), ValueError, "dims must lie in 1..16, got 0"),
        ("8", TypeError, "dims must be a sequence of integers, got '8'"),
        (8, TypeError, "dims must be a sequence of integers, got 8"),
        ((4.0,), TypeError, "dims must be an integer in 1..16, got 4.0"),
        ((True, 4), TypeError, "dims must be an integer in 1..16, got True"),
    ],
    "dim": [
        (0, ValueError, "dim must lie in 1..16, got 0"),
        (-1, ValueError, "dim must lie in 1..16, got -1"),
        (17, ValueError, "dim must lie in 1..16, got 17"),
        (8.0, TypeError, "dim must be an integer in 1..16, got 8.0"),
        (True, TypeError, "dim must be an integer in 1..16, got True"),
        ("8", TypeError, "dim must be an integer in 1..16, got '8'"),
        ([8], TypeError, r"dim must be an integer in 1..16, got \[8\]"),
    ],
    "rotation": words("rotation", "learned", "svd", "identity"),
    "rotation_dims": integers("rotation_dims", wanted="lie in 1..16", wrong=(0, 17)),
    "hidden_dim": integers("hidden_dim", wanted="be at least 1", wrong=(0, -3)),
    "activation": words("activation", "relu", "gelu", "silu", "tanh", "identity"),
    "center": [
        ("yes", ValueError, "center must be \"auto\", None or a number in 0..1, got 'yes'"),
        (-0.1, ValueError, "center must lie in 0..1, got -0.1"),
        (1.5, ValueError, "center must lie in 0..1, got 1.5"),
        (np.nan, ValueError, "center must be finite, got nan"),
        (True, TypeError, "center must be a number, got True"),
        ([0.5], TypeError, r"center must be a number, got \[0.5\]"),
        (0.5, ValueError, "center must be 0 without queries, got 0.5"),
    ],
    **{
        name: numbers(name)
        for name in (
            "listwise_weight",
            "topk_weight",
            "pairwise_weight",
            "reconstruction_weight",
            "ranking_weight",
            "fidelity_weight",
            "input_noise",
        )
    },
    "ranking_loss": words("ranking_loss", "softmax", "logistic"),
    "temperature": numbers("temperature", low="above 0", wrong=0, pair=True),
    "prefix_temperature": numbers("prefix_temperature", pair=True),
    "query_share": [
        ("half", TypeError, "query_share must be a number, got 'half'"),
        (-0.1, ValueError, "query_share must lie in 0..1, got -0.1"),
        (1.5, ValueError, "query_share must lie in 0..1, got 1.5"),
        (np.nan, ValueError, "query_share must be finite, got nan"),
        (None, TypeError, "query_share must be a number, got None"),
        (True, TypeError, "query_share must be a number, got True"),
    ],
    "learning_rate": numbers("learning_rate", low="above 0", wrong=-1, pair=True),
    "n_neighbors": integers("n_neighbors", wanted="be at least 1", wrong=(0, -1)),
    "batch_size": integers("batch_size", wanted="be at least 2", wrong=(1, 0), pair=True),
    "support_size": integers("support_size", wanted="be at least 2", wrong=(1, 0)),
    "max_iter": integers("max_iter", wanted="be at least 0", wrong=(-1,), pair=True),
    "n_iter_no_change": integers("n_iter_no_change", wanted="be at least 1", wrong=(0,)),
    "warm_start": switches("warm_start"),
    "max_fit_rows": integers("max_fit_rows", wanted="be at least 1", wrong=(0, -1)),
    "dim_weights": [
        ("other", TypeError, "dim_weights must be \"relative\", None or 2 numbers, got 'other'"),
        (3.0, TypeError, 'dim_weights must be "relative", None or 2 numbers, got 3.0'),
        ([1.0], ValueError, r"dim_weights must hold 2 numbers, .* got \[1.0\]"),
        ([0, 0], ValueError, r"dim_weights must hold 2 numbers, .* not all 0, got \[0, 0\]"),
        ([1, -1], ValueError, "dim_weights must be at least 0, got -1"),
        ([1, np.nan], ValueError, "dim_weights must be finite, got nan"),
        (["a", "b"], TypeError, "dim_weights must be a number, got 'a'"),
    ],
    "init_scale": [
        (1.0, TypeError, "init_scale must be a pair of numbers, got 1.0"),
        ("ab", TypeError, "init_scale must be a pair of numbers, got 'ab'"),
        (None, TypeError, "init_scale must be a pair of numbers, got None"),
        ((1,), TypeError, r"init_scale must be a pair of numbers, got \(1,\)"),
        ((1, 2, 3), TypeError, r"init_scale must be a pair of numbers, got \(1, 2, 3\)"),
        (("a", "b"), TypeError, "init_scale must be a number, got 'a'"),
        ((-1, 0), ValueError, "init_scale must be at least 0, got -1"),
        ((0, np.nan), ValueError, "init_scale must be finite, got nan"),
    ],
    "validation_fraction": [
        *[
            (value, ValueError, f"validation_fraction must lie strictly .* 1, got {value}")
            for value in (0, 1, -1, 1.5)
        ],
        (np.nan, ValueError, "validation_fraction must be finite, got nan"),
        ("x", TypeError, "validation_fraction must be a number, got 'x'"),
        (None, TypeError, "validation_fraction must be a number, got None"),
        (True, TypeError, "validation_fraction must be a number, got True"),
    ],
    **{name: switches(name) for name in ("early_stopping", "guard", "normalize")},
    "backend": [
        (value, ValueError, f"backend must be one of 'auto', .*got {value!r}")
        for value in ("other", None, 3)
    ],
    "verbose": [
        (-1, ValueError, "verbose must be at least 0, got -1"),
        ("yes", TypeError, "verbose must be an integer, got 'yes'"),
        (None, TypeError, "verbose must be an integer, got None"),
        (2.5, TypeError, "verbose must be an integer, got 2.5"),
    ],
    "random_state": [
        ("x", ValueError, "'x' cannot be used to seed"),
        (2.5, ValueError, "2.5 cannot be used to seed"),
        (-1, ValueError, "Seed must be between 0 and"),
    ],
}


@pytest.fixture
def no_training(monkeypatch):
    """Fail where training begins."""

    def called(*arguments, **keywords):
        raise AssertionError("training was called")

    monkeypatch.setattr(madapt.estimator, "fit_adaptor", called)
    monkeypatch.setattr(madapt._stream, "learn_from_stream", called)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [(name, *row) for name, rows in PARAMETERS.items() for row in rows],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameters(method, name, value, error, message):
    model = MatryoshkaAdaptor(**{name: value})  # is not the place for checks
    with pytest.raises(error, match=message) as caught:
        getattr(model, method)(X)
    assert isinstance(caught.value, MadaptError) or name == "random_state"
    assert not hasattr(model, "adaptor_")


def test_every_parameter_is_in_the_table():
    assert set(PARAMETERS) == set(MatryoshkaAdaptor().get_params())


def test_positional_arguments_that_are_keywords():
    with pytest.raises(TypeError, match="positional argument"):
        MatryoshkaAdaptor().fit(X, None, X)
    keywords = inspect.signature(MatryoshkaAdaptor).parameters.values()
    assert [p.name for p in keywords if p.kind is not p.KEYWORD_ONLY] == ["dims", "dim"]
