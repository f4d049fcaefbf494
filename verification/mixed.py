"""Second derivatives by two arguments: ∂²f/∂x∂W, judged as the Jacobian by W of the gradient by x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arguments import checked_option, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.structures import Jacobian
from verification.candidate import Form
from verification.judgement import Question, fault_of
from verification.problem import EvaluationError, Problem
from verification.tracing.second import mixed_gradient_of

Pair = tuple[str, str]


def questions_of(
    f: Any, x: Any, jacobian: Any, arguments: Mapping[str, Any], names: Sequence[str], form: Form
) -> list[tuple[str, Question]] | None:
    """Return a question for each pair of arguments; None where the candidates are Hessians by each of them.

    Parameters
    ----------
    f : Function or callable
    x : numpy.ndarray, or tuple of arrays
        The point of a Function, or the arguments of plain code.
    jacobian : array_like, dict, or callable
        Of two names the mixed derivative, (n₁, n₂) or of both shapes; the whole Hessian, (n, n) with n = Σ nₖ; or a
        dictionary by pairs of names.
    arguments : dict
        All that f depends on, by name.
    names : sequence of str
        Those that are asked about.

    Raises
    ------
    TypeError, ValueError
        If a pair isn't one of names, or the candidate fits none of the forms.
    """
    if callable(jacobian) and not isinstance(jacobian, Jacobian):
        given = x if isinstance(x, tuple) else (x,)
        jacobian = jacobian(*(np.copy(one) if isinstance(one, np.ndarray) else one for one in given))
    if isinstance(jacobian, Mapping) and all(isinstance(key, str) for key in jacobian):
        return None
    if isinstance(jacobian, tuple | list) and len(jacobian) == len(names) and not _is_matrix(jacobian):
        return None
    arrays = {name: real_array(arguments[name], name).astype(np.float64) for name in names}
    pairs = {key: jacobian[key] for key in jacobian} if isinstance(jacobian, Mapping) else None
    if pairs is None:
        pairs = _blocks(jacobian, arrays)
    value = Problem(lambda one: _call(f, arguments, {names[0]: one}), arrays[names[0]])
    if (fault := fault_of(value)) is not None:
        raise EvaluationError(fault[1])
    out_shape = value.value.shape if value.value.size > 1 else ()  # of one output no axis is asked for
    found = []
    for key, candidate in pairs.items():
        if not (isinstance(key, tuple) and len(key) == 2):
            raise ValueError(
                f"jacobian: found the key {shown(key)}, expected pairs such as {tuple(names[:2])}"
            )
        for name in key:
            checked_option(name, "jacobian", names)
        found.append((" and ".join(key), _question(f, arguments, arrays, key, candidate, form, out_shape)))
    return found


def _is_matrix(value: Any) -> bool:
    try:
        return np.asarray(value, dtype=float).ndim == 2
    except (TypeError, ValueError):
        return False


def _blocks(jacobian: Any, arrays: Mapping[str, Array]) -> dict[Pair, Any]:
    whole = jacobian.dense() if isinstance(jacobian, Jacobian) else real_array(jacobian, "jacobian")
    sizes = [one.size for one in arrays.values()]
    names = list(arrays)
    if whole.shape == (sum(sizes), sum(sizes)):
        ends = np.cumsum(sizes)[:-1]
        return {
            (one, two): block
            for one, rows in zip(names, np.split(whole, ends), strict=True)
            for two, block in zip(names, np.split(rows, ends, axis=1), strict=True)
        }
    if len(names) == 2:
        return {(names[0], names[1]): jacobian}
    raise ValueError(
        f"jacobian: found shape {whole.shape} with order=2, expected the whole Hessian, {(sum(sizes), sum(sizes))}, by "
        f"{', '.join(names)}, or a dictionary by pairs of them"
    )


def _call(f: Any, arguments: Mapping[str, Any], replaced: Mapping[str, Any]) -> Any:
    if isinstance(f, Function):
        bound = {name: one for name, one in replaced.items() if name != INPUT}
        at = replaced.get(INPUT, arguments[INPUT])
        return (f.bind(bound) if bound else f)._forward(at, 0)
    given = {name: one.copy() if isinstance(one, np.ndarray) else one for name, one in arguments.items()}
    return f(*{**given, **replaced}.values())


def _question(
    f: Any,
    arguments: Mapping[str, Any],
    arrays: Mapping[str, Array],
    pair: Pair,
    candidate: Any,
    form: Form,
    out_shape: tuple[int, ...],
) -> Question:
    one, two = pair

    centre = arrays[one]

    def code(first: Any, second: Any) -> Any:
        if one == two:  # of a sum, whose first part is differentiated by one of the two
            return _call(f, arguments, {one: first + (second - centre)})
        return _call(f, arguments, {one: first, two: second})

    gradient = mixed_gradient_of(code, arrays[one], arrays[two], out_shape)
    note = f", for the gradient by {one}"
    if gradient.__name__ == "measured":
        note += ", which differences found: its code can't be followed"
    label = f"{one} and {two}"
    return Question(gradient, arrays[two], candidate, INPUT, form._replace(tensor=True), label, note)
