"""How forward and backward passes of courses are called, and what they return by which name."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arguments import checked_callable, checked_mapping, checked_names, shown
from jacobians.numerics.arrays import Array, real_array
from verification.backward_watch import Watch

PREFIXES = ("d", "d_", "grad_", "g_", "dL", "dLd", "dl_d")
"""What stands before the name of an input in the keys of a dictionary of gradients: "W", "dW", "dLdW", …"""


class BackwardError(ValueError):
    """What backward returns can't be right, whatever its numbers; the message is the reason."""


def arguments_of(forward: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return what forward is called with, by name.

    Raises
    ------
    TypeError
        If it is no function, or takes other arguments.

    Examples
    --------
    >>> arguments_of(lambda x, w: x @ w, [1.0], {"w": 2.0})
    {'x': 1.0, 'w': 2.0}
    """
    if not callable(forward):
        raise TypeError(f"forward: found {shown(forward)}, expected a function")
    try:
        signature = inspect.signature(forward)
    except (TypeError, ValueError):
        signature = None
    if signature is None:
        return {f"x{k}": one for k, one in enumerate(arguments)} | dict(named)
    try:
        bound = signature.bind(*arguments, **named)
    except TypeError:
        given = ", ".join([*(f"argument {k + 1}" for k in range(len(arguments))), *named]) or "none"
        raise TypeError(f"arguments: found {given}, expected those of forward{signature}") from None
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            found |= {f"{name}{k}": one for k, one in enumerate(value)}
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[name] = value
    return found


class Calls:
    """A forward pass with its arguments, and a backward pass.

    Attributes
    ----------
    inputs : dict of str to numpy.ndarray
        The arguments that are arrays of floats, in the order of the call.
    written : tuple of str
        The inputs that the last call wrote to.

    Raises
    ------
    TypeError, ValueError
        If something is no function, or no argument is an array of floats.
    """

    def __init__(self, forward: Any, backward: Any, arguments: dict[str, Any], cache: bool | None) -> None:
        if backward is not None and not callable(backward):
            raise TypeError(
                f"backward: found {shown(backward)}, expected a function, or None for (loss, grads)"
            )
        if cache is not None and not isinstance(cache, bool):
            raise TypeError(f"cache: found {shown(cache)}, expected True or False")
        self.function, self.backward, self.arguments, self.has_cache = forward, backward, arguments, False
        self._cache = cache
        self.inputs = {
            name: np.array(real_array(value, name)) for name, value in arguments.items() if _is_input(value)
        }
        if not self.inputs:
            raise ValueError(
                f"arguments: found {', '.join(arguments) or 'none'}, expected an array of floats to differentiate by"
            )
        self.written: tuple[str, ...] = ()

    def wanted(self, gradients: Any) -> list[str]:
        """Return the names of the inputs that gradients are by."""
        if gradients is None:
            return list(self.inputs)
        names = checked_names(gradients, "gradients", "names of inputs")
        for name in names:
            if not isinstance(name, str) or name not in self.inputs:
                raise ValueError(f"gradients: found {shown(name)}, expected one of {', '.join(self.inputs)}")
        return names

    def call(self, values: Mapping[str, Any]) -> Any:
        """Return what forward returns with some inputs replaced."""
        given = {
            name: values[name] if name in values else copy.deepcopy(one)
            for name, one in self.arguments.items()
        }
        return _call(self.function, given)

    def forward(self) -> tuple[tuple[Array, ...], Any]:
        """Return the outputs, copied, and the cache or the gradients beside them."""
        given = {name: one.copy() for name, one in self.inputs.items()}
        result = self.call(given)
        self.written = tuple(
            name for name, one in given.items() if not np.array_equal(one, self.inputs[name], equal_nan=True)
        )
        self._given = given
        outputs, kept = self._split(result)
        return tuple(np.array(real_array(one, "what forward returns")) for one in outputs), kept

    def _split(self, result: Any) -> tuple[tuple[Any, ...], Any]:
        if not isinstance(result, tuple):
            if self.backward is None:
                raise ValueError("forward: found one result and no backward, expected (loss, gradients)")
            return (result,), None
        if self.backward is None:
            if len(result) != 2:
                raise ValueError(
                    f"forward: found {len(result)} results and no backward, expected (loss, gradients)"
                )
            return result[:1], result[1]
        if self._cache is False or len(result) == 1:
            return result, None
        self.has_cache = True
        return result[:-1], result[-1]

    def run_backward(self, upstream: list[Array], kept: Any) -> Any:
        """Return what backward returns; `written` says which inputs it wrote to.

        Raises
        ------
        BackwardError
            If it raises an exception.
        """
        assert self.backward is not None
        extra = (
            [kept]
            if self.has_cache
            else list(self._given.values())
            if self._takes_inputs(len(upstream))
            else []
        )
        before, watch = {name: one.copy() for name, one in self._given.items()}, Watch(self.function)
        try:
            result = self.backward(*upstream, *extra)
        except Exception as error:  # the code's own
            raise BackwardError(f"backward raised {class_name(error)}: {error}") from error
        written = [
            name for name, one in self._given.items() if not np.array_equal(one, before[name], equal_nan=True)
        ]
        self.written = (*written, *(f"{name}, which forward reads" for name in watch.written()))
        return result

    def _takes_inputs(self, upstream: int) -> bool:
        try:
            inspect.signature(self.backward).bind(*[None] * (upstream + len(self.inputs)))
        except (TypeError, ValueError):
            return False
        return True

    def loss(self, name: str, upstream: tuple[Array, ...]) -> Callable[[Any], Any]:
        """Return Σ ⟨u, out⟩ as a function of one input."""
        names = ["dout"] if len(upstream) == 1 else [f"dout{k + 1}" for k in range(len(upstream))]
        # arrays of a dictionary are followed by the diagnosis, by their names
        arrays = dict(self.inputs) | {
            key: one.astype(np.float64) for key, one in zip(names, upstream, strict=True)
        }
        call, split = self.call, self._split

        def total(value: Any) -> Any:
            inputs = {key: one for key, one in arrays.items() if key not in names} | {name: value}
            outputs, _ = split(call({key: _own(one) for key, one in inputs.items()}))
            parts = [np.sum(arrays[key] * one) for key, one in zip(names, outputs, strict=True)]
            return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0])

        return total


def _own(value: Any) -> Any:
    return value.copy() if type(value) is np.ndarray else value


def _is_input(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _call(function: Any, given: Mapping[str, Any]) -> Any:
    try:
        kinds = [one.kind for one in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return function(*given.values())
    if inspect.Parameter.VAR_KEYWORD in kinds or inspect.Parameter.KEYWORD_ONLY in kinds:
        return function(**given)
    return function(*given.values())


def gradients_by_name(result: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """Return gradients by the names of the inputs.

    Raises
    ------
    BackwardError
        If there are more or fewer than inputs, so that they can't be told apart.

    Examples
    --------
    >>> gradients_by_name({"dW": 1, "db": 2}, ["W", "b"])
    {'W': 1, 'b': 2}
    >>> gradients_by_name((1, 2), ["W"])
    Traceback (most recent call last):
    ...
    verification.backward_calls.BackwardError: backward returned 2 gradients for W, expected 1; name them by ...
    """
    if result is None:
        raise BackwardError("backward returned None, expected gradients; is a return missing?")
    if isinstance(result, Mapping):
        keys = {str(key): one for key, one in result.items()}
        return {name: _by_key(keys, name) for name in wanted}
    several = list(result) if isinstance(result, list | tuple) else [result]
    if len(several) != len(wanted):
        many = f"{len(several)} gradient{'s' * (len(several) > 1)}"
        raise BackwardError(
            f"backward returned {many} for {', '.join(wanted)}, expected {len(wanted)}; name them by gradients=[…]"
        )
    return dict(zip(wanted, several, strict=True))


def _by_key(keys: Mapping[str, Any], name: str) -> Any:
    for key in (name, *(f"{prefix}{name}" for prefix in PREFIXES)):
        if key in keys:
            return keys[key]
    return None


def changed_arrays(before: Any, after: Any, place: str = "") -> list[str]:
    """Return the places of arrays in nested tuples, lists and dictionaries that are no more what they were.

    Examples
    --------
    >>> changed_arrays((np.ones(2), {"w": np.zeros(2)}), (np.ones(2), {"w": np.ones(2)}))
    ["[1]['w']"]
    """
    if isinstance(before, np.ndarray):
        same = before.shape == np.shape(after) and np.array_equal(
            before, after, equal_nan=before.dtype.kind == "f"
        )
        return [] if same else [place or "the array"]
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(before, list | tuple) and len(before) == len(after):
        pairs = [(f"{place}[{k}]", one, two) for k, (one, two) in enumerate(zip(before, after, strict=True))]
    elif isinstance(before, Mapping):
        pairs = [(f"{place}[{key!r}]", one, after.get(key)) for key, one in before.items()]
    return [found for where, one, two in pairs for found in changed_arrays(one, two, where)]


def layer_functions(
    make: Callable[[], Any],
    parameters: Mapping[str, str] | None = None,
    *,
    forward: str = "forward",
    backward: str = "backward",
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the passes of a layer that is a class, as functions for :func:`~verification.check_backward`.

    Parameters
    ----------
    make : callable
        Returns a new layer.
    parameters : dict of str to str, optional
        The attributes that hold parameters, each with the attribute that holds its gradient after the backward pass:
        ``{"W": "dLdW"}``.
    forward, backward : str
        The names of its methods.

    Returns
    -------
    forward, backward : callable
        ``forward(x, **parameters)``, or with the inputs that the method has, ``forward(x, h, **parameters)``, sets the
        parameters and returns (output, cache); ``backward(dout, cache)`` returns a dict of gradients by the inputs
        and by each parameter. A method ``backward()`` is that of a loss; one of two arguments, (out_grad, node), gets a
        node with the inputs in ``node.inputs``.

    Raises
    ------
    TypeError
        If `make` is no function, or `parameters` no dictionary of names.

    Examples
    --------
    >>> class Scale:
    ...     def forward(self, x):
    ...         self.x = x
    ...         return self.a * x
    ...     def backward(self, dout):
    ...         self.da = np.sum(dout * self.x)[None]
    ...         return self.a * dout
    >>> from verification import check_backward
    >>> passes = layer_functions(Scale, {"a": "da"})
    >>> check_backward(*passes, x=np.arange(3.0), a=np.array([2.0])).verdict
    'right'
    """
    names = {} if parameters is None else parameters
    attributes = checked_mapping(names, "parameters", "names by names, such as {'W': 'dLdW'}")
    if not isinstance(make, type):
        checked_callable(make, "make", "a class or a function that returns a layer", 0)
    for argument, name in (("forward", forward), ("backward", backward)):
        if not isinstance(name, str):
            raise TypeError(f"{argument}: found {shown(name)}, expected the name of a method")
    if not all(isinstance(one, str) for pair in attributes.items() for one in pair):
        raise TypeError(
            f"parameters: found {shown(parameters)}, expected names by names, such as {{'W': 'dLdW'}}"
        )

    signature, own = _signature_of(make, forward, attributes)

    def run_forward(*inputs: Any, **values: Any) -> Any:
        layer = make()
        bound = signature.bind(*inputs, **values).arguments
        given = {name: one for name, one in bound.items() if name not in attributes}
        for name in attributes:
            setattr(layer, name, bound[name])
        return getattr(layer, forward)(*given.values()), (layer, tuple(given.values()))

    def run_backward(dout: Any, cache: Any) -> dict[str, Any]:
        layer, inputs = cache
        method = getattr(layer, backward)
        takes = _count_of_arguments(method)
        if takes == 0:  # of a loss: the gradient from above is 1
            result = method()
            found = [dout * one for one in (result if isinstance(result, tuple | list) else (result,))]
        else:
            result = method(dout) if takes == 1 else method(dout, SimpleNamespace(inputs=inputs))
            found = list(result) if isinstance(result, tuple | list) else [result]
        if len(found) > len(own):
            raise BackwardError(f"backward returned {len(found)} gradients for {', '.join(own)}")
        by_name = dict(zip(own, found, strict=False))
        return by_name | {name: getattr(layer, gradient) for name, gradient in attributes.items()}

    run_forward.__signature__ = signature  # type: ignore[attr-defined]  # what inspect.signature looks at
    return run_forward, run_backward


def _signature_of(
    make: Callable[[], Any], forward: str, attributes: Mapping[str, str]
) -> tuple[inspect.Signature, list[str]]:
    """Return the signature of a layer's forward pass and its parameters, and the names of its inputs."""
    method = getattr(make(), forward, None)
    if method is None:
        raise TypeError(f"forward: found {forward!r}, expected the name of a method of what make() returns")
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        one.name
        for one in inspect.signature(method).parameters.values()
        if one.kind in plain and one.default is inspect.Parameter.empty
    ]
    own = ["x"] if len(needed) == 1 else needed
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in (*own, *attributes)]), own


def _count_of_arguments(method: Callable[..., Any]) -> int:
    """Return how many arguments a method needs."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(method).parameters.values()
    return sum(one.kind in plain and one.default is inspect.Parameter.empty for one in parameters)
