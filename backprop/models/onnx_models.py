"""Models in the format ONNX as Functions: the file is read as data, and nothing in it is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.models.assembly import Assembly
from backprop.models.onnx_operations import OPERATIONS
from backprop.models.onnx_reader import Reader
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
        if not path.is_file():
            raise ValueError(f"model: found no file {source}, expected a model in the format ONNX")
        try:
            model = onnx.load(path, load_external_data=False)
        except Exception as error:  # protobuf has errors of its own
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(
                f"model: found {source}, which is no model in the format ONNX ({reason})"
            ) from None
    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"model: found {type(model).__name__}, expected a path or an onnx.ModelProto")
    graph = model.graph
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise ValueError(
            f"{source}: found weights in other files, expected them in the model; save it as one file"
        )
    constants = {tensor.name: _array(tensor, source) for tensor in graph.initializer}
    if not graph.output:
        raise ValueError(f"{source}: found no output, expected one at least")
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
    network, output = Reader(Assembly(inputs[0].name, shape), constants, OPERATIONS), graph.output[0].name
    try:
        network.read(graph.node, output)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    if network.missing:
        raise unsupported(source, network.missing, sorted(OPERATIONS))
    if output not in network.assembly.places:
        raise ValueError(f"{source}: found the output {output!r} that no node makes of the input")
    function = network.assembly.function(output)
    black_box, noisy = _evaluator(model, inputs[0].name)
    return verified(function, source, black_box, shape, noisy=noisy)


def _evaluator(model: Any, name: str) -> tuple[Callable[[Array], Array], bool]:
    """Return ONNX's own evaluation of one point in float64, and whether it has to be in float32."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    own = [each for each in wide.opset_import if each.domain in ("", "ai.onnx")]
    if own and own[0].version < 14:
        # before version 14 the evaluator takes a share of the statistics of the point itself, by the momentum
        own[0].version = max(own[0].version, 9)
        for node in wide.graph.node:
            if node.op_type == "BatchNormalization":
                kept = [each for each in node.attribute if each.name not in ("momentum", "spatial")]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("momentum", 1.0)])
    for tensor in wide.graph.initializer:
        _widen(tensor)
    for node in wide.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name in ("value_float", "value_floats"):
                    values = np.asarray(onnx.helper.get_attribute_value(attribute), np.float64)
                    attribute.CopyFrom(
                        onnx.helper.make_attribute("value", onnx.numpy_helper.from_array(values))
                    )
                elif attribute.name == "value":
                    _widen(attribute.t)
        elif node.op_type == "Cast":
            for attribute in node.attribute:
                attribute.i = onnx.TensorProto.DOUBLE
    session = ReferenceEvaluator(wide)

    def run(x: Array) -> Array:
        (found, *_) = session.run(None, {name: np.asarray(x, dtype=np.float64)[None]})
        return np.asarray(found)[0]

    # nodes such as LayerNormalization compute in float32 whatever they are given
    return run, any(node.op_type in ("LayerNormalization", "Gelu", "Erf", "Selu") for node in wide.graph.node)


def _widen(tensor: Any) -> None:
    """Make an array of floats one of float64."""
    import onnx

    if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
        values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _array(tensor: Any, source: str) -> Array:
    """Return the numbers of a tensor, of which as many are there as its sizes announce."""
    import onnx

    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception:  # of unknown types, and of sizes that are not those of the numbers
        raise ValueError(
            f"{source}: found the array {tensor.name!r} of type {tensor.data_type} and shape {tuple(tensor.dims)}, "
            f"whose numbers can't be read; the file is damaged"
        ) from None
