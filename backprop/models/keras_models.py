"""Models of Keras 3 as Functions, by the layers and nodes that its own description of a model lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from backprop.compiling.engines import engine_module
from backprop.models.assembly import Assembly, NotSupported
from backprop.models.keras_layers import OPERATIONS
from backprop.models.keras_values import Values
from backprop.models.verified import unsupported, verified
from jacobians import Function
from jacobians.numerics.arguments import checked_shape
from jacobians.numerics.arrays import Array
from verification.optional_packages import require_extras

Key = tuple[str, int]
"""A layer, and which of its calls."""


def from_keras(model: Any, shape: Any = None) -> Function:
    """Return a model of Keras 3 as a network of one point, verified against its own output and gradient.

    The model is followed as it is used: dropout does nothing, batch normalization takes what it learnt. Keras has the
    channels of images in the last axis; the network takes and gives what the model does, and brings them in front in
    between. Keras stores weights as (inputs, outputs): here they are transposed.

    Parameters
    ----------
    model : keras.Model
        A Sequential, or made by ``keras.Model(inputs, outputs)``, with one input and one output, of layers of the
        table in the documentation; models within it, too.
    shape : tuple of int, optional
        Of one point, where the model leaves a size open.

    Returns
    -------
    Function
        Of one point; weights keep their precision. ``imported`` holds the comparison with the model: with the backend
        jax by its own gradient, otherwise by central differences.

    Raises
    ------
    TypeError, ValueError
        If it is no such model, isn't built, or leaves sizes open that aren't given.
    UnsupportedError
        If a layer has no counterpart: each is named.
    ImportError
        If keras is missing: it comes with the extra ``keras``.
    """
    require_extras("keras", "keras")
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"model: found {type(model).__name__}, expected a keras.Model")
    source = type(model).__name__
    if not model.built:
        raise ValueError(
            f"model: found {source} that isn't built, expected one with an Input, or after build(…)"
        )
    half = sorted({own.compute_dtype for own in model._flatten_layers() if "16" in str(own.compute_dtype)})
    if half:
        raise ValueError(
            f"model: found layers that compute in {', '.join(half)}, expected float32 or float64"
        )
    point = _point(model, shape)
    reader = _Reader(Values(Assembly("input", point)))
    output = reader.model(model, "input", "")
    if reader.missing:
        raise unsupported(source, reader.missing, sorted(OPERATIONS))
    values = reader.values
    function = values.assembly.function(values.own(output))
    run, gradient, noisy = _black_box(model, point)
    return verified(function, source, run, point, gradient=gradient, noisy=noisy)


def _point(model: Any, shape: Any) -> tuple[int, ...]:
    """Return the shape of one point, of the model or as given."""
    found = getattr(model, "inputs", None)
    if not found:
        raise _no_layers(model)
    if len(found) != 1:
        names = [own.name for own in found]
        raise ValueError(f"model: found the inputs {names}, expected one: a function of one array")
    if len(model.outputs) != 1:
        raise ValueError(f"model: found {len(model.outputs)} outputs, expected one array")
    own = tuple(found[0].shape[1:])
    if shape is None:
        if None in own:
            raise ValueError(f"shape: found none, expected that of one point; the model leaves {own} open")
        return tuple(int(size) for size in own)
    given = checked_shape(shape, "shape")
    if len(given) != len(own) or any(n not in (None, m) for n, m in zip(own, given, strict=False)):
        raise ValueError(f"shape: found {given}, expected one that fits {own}, as the model says")
    return given


class _Reader:
    """The layers of a model, one after the other, and of the models within it."""

    def __init__(self, values: Values) -> None:
        self.values, self.missing = values, []  # type: tuple[Values, list[str]]
        self._gone: set[str] = set()

    def model(self, model: Any, source: str, prefix: str) -> str:
        """Add the layers of a model of a named value; return the name of its output."""
        import keras

        if isinstance(model, keras.Sequential):
            for place, layer in enumerate(model.layers):
                source = self._call(layer, type(layer).__name__, f"{prefix}{place}.{layer.name}", [source])
            return source
        config = _graph(model)
        layers = {own.name: own for own in (*model.layers, *model.operations)}
        entry, _, _ = _only(config["input_layers"])
        done: dict[Key, str] = {(entry, 0): source}
        waiting = [
            (own, place, node) for own in config["layers"] for place, node in enumerate(own["inbound_nodes"])
        ]
        while waiting:  # a layer that is called twice may wait for one behind it
            later = []
            for own, place, node in waiting:
                given = [*_arguments([node["args"], _more(node["kwargs"])])]
                keys = [value for value in given if isinstance(value, tuple)]
                if any(key not in done for key in keys):
                    later.append((own, place, node))
                    continue
                named = [done[value] if isinstance(value, tuple) else value for value in given]
                label = f"{prefix}{own['name']}, {place}"
                done[own["name"], place] = self._call(layers[own["name"]], own["class_name"], label, named)
            if len(later) == len(waiting):
                raise ValueError(
                    f"model: Keras lists calls of {later[0][0]['name']} whose inputs it doesn't list"
                )
            waiting = later
        name, place, _ = _only(config["output_layers"])
        return done[name, place]

    def _call(self, layer: Any, kind: str, name: str, given: list[Any]) -> str:
        """Add a layer, or note why it can't be; return the name of its value."""
        import keras

        title = f"{kind} {layer.name!r}"
        gone = any(source in self._gone for source in given)
        if gone and not isinstance(layer, keras.Model):
            self._gone.add(name)  # what hangs on a missing layer is told by that one
            if kind not in OPERATIONS:
                self.missing.append(title)
            return name
        try:
            if isinstance(layer, keras.Model):
                if len(given) != 1:
                    raise NotSupported("of several inputs")
                before = len(self.missing)
                name = self.model(layer, given[0], f"{name}.")
                if len(self.missing) > before:
                    self._gone.add(name)
                return name
            if kind not in OPERATIONS or not type(layer).__module__.startswith("keras."):
                raise NotSupported("")
            if any(own is None for own in given):
                raise NotSupported("of an argument other than values and numbers")
            OPERATIONS[kind](self.values, name, layer, given)
        except (NotSupported, ValueError) as reason:
            self.missing.append(f"{title} ({reason})" if str(reason) else title)
            self._gone.add(name)
        return name


def _graph(model: Any) -> dict[str, Any]:
    """Return Keras' own description of a model, with layers and calls."""
    try:
        config: Any = model.get_config()
    except Exception:  # layers of one's own that write none
        config = None
    if isinstance(config, dict) and {"layers", "input_layers", "output_layers"} <= {*config}:
        return config
    raise _no_layers(model)


def _no_layers(model: Any) -> ValueError:
    return ValueError(
        f"model: found {type(model).__name__}, of which Keras lists no layers and calls, expected a Sequential or a "
        f"model made by keras.Model(inputs, outputs)"
    )


def _only(listed: Any) -> Any:
    """Return the one layer, call and value that is listed, in a list or a table or as it is."""
    if isinstance(listed, dict):
        return _only([*listed.values()])
    return listed if len(listed) == 3 and isinstance(listed[0], str) else _only(listed[0])


def _more(named: dict[str, Any]) -> list[Any]:
    """Return the named arguments of a call that matter: masks and training don't, in use."""
    return [value for name, value in named.items() if name not in ("mask", "training") and value is not None]


def _arguments(value: Any) -> Iterator[Any]:
    """Yield what a call is given: (layer, call) of values, numbers, None for anything else."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _arguments(part)
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        name, place, _ = value["config"]["keras_history"]
        yield name, place
    else:
        yield value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _black_box(
    model: Any, point: tuple[int, ...]
) -> tuple[Callable[[Array], Array], Callable[[Array], Array] | None, bool]:
    """Return the model's output at a point, its own Jacobian where the backend is jax, and whether it is of float32."""
    import keras

    def run(x: Array) -> Array:
        return np.asarray(keras.ops.convert_to_numpy(model(np.asarray(x)[None], training=False)))[0]

    noisy = run(np.zeros(point)).dtype.itemsize < 8
    if keras.backend.backend() != "jax":
        return run, None, noisy

    def gradient(x: Array) -> Array:
        return cast(
            Array, engine_module("jax").dense_jacobian(lambda z: model(z[None], training=False)[0], x)
        )

    return run, gradient, noisy
