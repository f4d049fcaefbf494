"""Models in the format ONNX as Functions: the file is read as data, and nothing in it is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly
from backprop.models.onnx_operations import OPERATIONS, Reader
from backprop.models.verified import unsupported, verified
from jacobians import Function
from jacobians.numerics.arguments import checked_path
from jacobians.numerics.arrays import Array
from verification.optional_packages import require_extras


def from_onnx(model: Any) -> Function:
    """Return a model in the format ONNX as a network of one point, verified against ONNX's reference evaluator.

    Parameters
    ----------
    model : path or onnx.ModelProto
        With one input whose first axis counts points, and whose other sizes are known. External data is refused.

    Returns
    -------
    Function
        Of one point, without the axis of points; of the first output. Weights keep their precision. ``imported`` holds
        the comparison with ONNX's own evaluation, in float64, and with central differences of it.

    Raises
    ------
    UnsupportedError
        If a node has no counterpart: each is named.
    TypeError, ValueError
        If it is no model, or has several inputs or unknown sizes.
    ImportError
        If onnx is missing: it comes with the extra ``models``.
    """
    require_extras("models", "onnx")
    import onnx

    source = "model"
    if isinstance(model, str | os.PathLike):
        path = checked_path(model, "model")
        source = path.name
        try:
            model = onnx.load(path, load_external_data=False)
        except FileNotFoundError:
            raise ValueError(f"model: found no file {source}, expected a model in the format ONNX") from None
        except Exception as error:  # protobuf has errors of its own
            raise ValueError(
                f"model: found {source}, which is no model in the format ONNX ({error})"
            ) from None
    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"model: found {type(model).__name__}, expected a path or an onnx.ModelProto")
    graph = model.graph
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise ValueError(
            f"{source}: found weights in other files, expected them in the model; save it as one file"
        )
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        names = [each.name for each in inputs]
        raise ValueError(f"{source}: found the inputs {names}, expected one: a function of one array")
    dims = inputs[0].type.tensor_type.shape.dim
    shape = tuple(int(size.dim_value) for size in dims[1:])
    if not dims or any(size < 1 for size in shape):
        found = [size.dim_param or size.dim_value for size in dims]
        raise ValueError(
            f"{source}: found an input of shape {found}, expected known sizes behind an axis of points"
        )
    network = Reader(Assembly(inputs[0].name, shape), constants).read(graph.node)
    if network.missing:
        raise unsupported(source, network.missing, sorted(OPERATIONS))
    function = network.assembly.function(graph.output[0].name)
    black_box, noisy = _evaluator(model, inputs[0].name)
    return verified(function, source, black_box, shape, noisy=noisy)


def _evaluator(model: Any, name: str) -> tuple[Callable[[Array], Array], bool]:
    """Return ONNX's own evaluation of one point in float64, and whether it has to be in float32."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.t.data_type == onnx.TensorProto.FLOAT:
                values = onnx.numpy_helper.to_array(attribute.t).astype(np.float64)
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(values))
    session = ReferenceEvaluator(wide)

    def run(x: Array) -> Array:
        (found, *_) = session.run(None, {name: np.asarray(x, dtype=np.float64)[None]})
        return np.asarray(found)[0]

    # nodes such as LayerNormalization compute in float32 whatever they are given
    return run, any(node.op_type in ("LayerNormalization", "Gelu") for node in wide.graph.node)
