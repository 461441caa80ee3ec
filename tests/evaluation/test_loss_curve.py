"""The picture of the losses shows what the training has noted."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from madapt import MatryoshkaAdaptor
from madapt.baselines import SVDRotation
from madapt.evaluation import LossCurveDisplay
from madapt.exceptions import InvalidTypeError, InvalidValueError

X = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def adaptor():
    return MatryoshkaAdaptor(max_iter=7, random_state=0).fit(X)


def test_the_line_is_the_loss_curve(adaptor):
    display = LossCurveDisplay.from_estimator(adaptor)
    (line,) = display.lines_.values()
    assert list(display.lines_) == ["MatryoshkaAdaptor"]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 8))
    np.testing.assert_array_equal(line.get_ydata(), adaptor.loss_curve_)


def test_several_by_name_and_drawn_again(adaptor, pyplot):
    display = LossCurveDisplay.from_estimator({"one": adaptor, "other": adaptor})
    assert list(display.lines_) == ["one", "other"]
    _, ax = pyplot.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(ax.lines) == 2


def test_the_axes_say_what_they_show():
    display = LossCurveDisplay.from_values([3.0, 2.0, 1.5])
    assert display.ax_.get_xlabel() == "step"
    assert display.ax_.get_ylabel() == "loss"
    assert display.ax_.get_xscale() == "linear"
    assert list(display.losses) == ["loss"]
    assert display.lines_["loss"].get_marker() == "None"


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        ({}, InvalidValueError, "losses must be of one training at least, got none"),
        ([], InvalidValueError, r"losses must be one number a step and at least one, got .*\(0,\)"),
        ([[1.0]], InvalidValueError, r"got shape \(1, 1\) for 'loss'"),
        (
            {"a": ["x"]},
            InvalidTypeError,
            r"losses must be numbers, one a step, got \['x'\] for 'a'",
        ),
    ],
)
def test_what_cannot_be_drawn(losses, error, message):
    with pytest.raises(error, match=message):
        LossCurveDisplay.from_values(losses)


@pytest.mark.parametrize("estimator", [MatryoshkaAdaptor(), SVDRotation().fit(X)])
def test_an_estimator_without_losses(estimator):
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(estimator)
