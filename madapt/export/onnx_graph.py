"""A fitted adaptor as an ONNX graph whose second input is the length of the prefix."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from madapt._replacing import as_path, replace_file
from madapt.export._folded import Folded, folded

__all__ = ["to_onnx"]

#: Of 2020, so that old runtimes read it; newer operators are written with older ones.
OPSET, IR_VERSION = 13, 7


def to_onnx(adaptor: Any, path: str | os.PathLike[str], *, side: str = "document") -> None:
    """Write an ONNX file that does what `transform` does, at any dim.

    Parameters
    ----------
    adaptor : MatryoshkaAdaptor
        Fitted, of any kind.
    path : str or path
        ``.onnx`` is its customary suffix. What is there is replaced in one step.
    side : {"document", "query"}, default="document"
        Which mean is taken away. Write one file for each side where the adaptor centres;
        without centring both are the same.

    Raises
    ------
    TypeError
        If adaptor is no MatryoshkaAdaptor or path no path.
    ValueError
        If side is another.
    sklearn.exceptions.NotFittedError
        If adaptor is not fitted.
    ImportError
        If onnx is not installed. What runs the file needs it not.
    OSError
        If the file cannot be written; the old one is as it was.

    Notes
    -----
    Inputs are ``vectors``, float32 of shape (n, d), and ``dim``, int64 of shape (1,), in 1..d;
    the output ``adapted`` is float32 of shape (n, dim). Lengths are as in `transform`: on entry
    a row is divided by its largest magnitude and then by its norm, the prefix likewise on exit,
    and zero rows stay zero. Weights are cut to the prefix before they are multiplied.

    The graph is made of operators of opset 13 and float32 weights. Its metadata say which
    version of madapt wrote it, the adaptor's fingerprint and the side.

    Examples
    --------
    >>> from madapt.export import to_onnx
    >>> to_onnx(adaptor, "adaptor.onnx")  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession("adaptor.onnx")  # doctest: +SKIP
    >>> inputs = {"vectors": X.astype(np.float32), "dim": np.array([64])}  # doctest: +SKIP
    >>> (Z,) = session.run(None, inputs)  # doctest: +SKIP
    """
    path = as_path(path)
    model = folded(adaptor, side)
    replace_file(path, _packed(model))


class _Graph:
    """Nodes and weights of a graph, written down one after the other."""

    def __init__(self, helper: Any, numpy_helper: Any) -> None:
        self.helper, self.numpy_helper = helper, numpy_helper
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}

    def weight(self, name: str, value: Any) -> str:
        """Add an array by name, once; floats are float32."""
        value = np.asarray(value)
        array = value.astype(np.float32) if value.dtype.kind == "f" else value
        self.weights[name] = self.numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of what it gives."""
        output: str = attributes.pop("output", f"{operator.lower()}_{len(self.nodes)}")
        self.nodes.append(self.helper.make_node(operator, inputs, [output], **attributes))
        return output


def _packed(model: Folded) -> bytes:
    """Return the bytes of a file: the same for the same model."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx, which is not installed: pip install 'madapt[onnx]'"
        ) from error
    from madapt import __version__

    add = _Graph(helper, numpy_helper)
    x = _unit(add, "vectors") if model.normalize else "vectors"
    y = _prefix(add, model, x)
    y = _unit(add, y) if model.normalize else y
    add("Identity", y, output="adapted")
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        add.nodes,
        "madapt",
        [
            helper.make_tensor_value_info("vectors", floats, ["n", model.d]),
            helper.make_tensor_value_info("dim", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("adapted", floats, ["n", "m"])],
        list(add.weights.values()),
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="madapt",
        producer_version=__version__,
    )
    helper.set_model_props(proto, model.origin)
    onnx.checker.check_model(proto, full_check=True)
    packed: bytes = proto.SerializeToString(deterministic=True)
    return packed


def _prefix(add: _Graph, model: Folded, x: str) -> str:
    """Add what gives the first dim coordinates of y = x A + s + activation(x V + t) W."""

    def cut(name: str, value: np.ndarray) -> str:
        """Cut a weight's last axis to the prefix."""
        axis = add.weight(f"axis_{value.ndim - 1}", np.array([value.ndim - 1]))
        zero = add.weight("first", np.array([0]))
        return add("Slice", add.weight(name, value), zero, "dim", axis)

    y = add("MatMul", x, cut("A", model.A))
    if model.s is not None:
        y = add("Add", y, cut("s", model.s))
    if model.V is None or model.t is None or model.W is None:
        return y
    z = add("Add", add("MatMul", x, add.weight("V", model.V)), add.weight("t", model.t))
    hidden = _activation(add, model.activation, z)
    return add("Add", y, add("MatMul", hidden, cut("W", model.W)))


def _activation(add: _Graph, name: str, z: str) -> str:
    """Add an activation; gelu is the exact one, by the error function."""
    if name == "relu":
        return add("Relu", z)
    if name == "tanh":
        return add("Tanh", z)
    if name == "silu":
        return add("Mul", z, add("Sigmoid", z))
    assert name == "gelu", name
    half, one = add.weight("half", np.array(0.5)), add.weight("one", np.array(1.0))
    erf = add("Erf", add("Mul", z, add.weight("root_of_half", np.sqrt(np.array(0.5)))))
    return add("Mul", z, add("Mul", half, add("Add", one, erf)))


def _unit(add: _Graph, x: str) -> str:
    """Add what scales rows to unit length, safe for any that are finite; 0 stays 0."""
    zero, one = add.weight("zero", np.array(0.0)), add.weight("one", np.array(1.0))

    def divided(x: str, size: str) -> str:
        return add("Div", x, add("Where", add("Greater", size, zero), size, one))

    x = divided(x, add("ReduceMax", add("Abs", x), axes=[1], keepdims=1))
    axis = add.weight("axis_1", np.array([1]))
    return divided(x, add("Sqrt", add("ReduceSum", add("Mul", x, x), axis, keepdims=1)))
