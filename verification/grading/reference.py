"""Code of the course: the reference file, and its functions called as a submission's are."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import jacobians
from jacobians import Function
from jacobians.function import INPUT
from jacobians.names import class_name
from jacobians.numerics.arguments import near
from jacobians.numerics.arrays import Array, real_array
from verification.grading.containment.returned import RefusalError, parts_of
from verification.grading.containment.runner import MissingError, answered
from verification.grading.containment.transfer import fresh
from verification.grading.fields import AssignmentError
from verification.grading.tasks import TEXT_FORMS, Output, Task


def load_module(path: Path | None, key: str = "reference") -> ModuleType | None:
    """Return a file of the course's as a module, None for no file.

    Raises
    ------
    AssignmentError
        If it can't be imported.
    """
    if path is None:
        return None
    if not path.is_file():
        raise AssignmentError(f"{key}: found no file {path.name!r}, expected it beside the assignment")
    spec = importlib.util.spec_from_file_location(f"assignment_{key}", path)
    if spec is None or spec.loader is None:
        raise AssignmentError(f"{key}: found {path.name!r}, expected the name of a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles of it look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit, GeneratorExit) as error:  # code of the course
        raise AssignmentError(
            f"{key}: {path.name} can't be imported: {class_name(error)}: {error}"
        ) from error
    return module


def question_of(task: Task, function: str, driver: str = "") -> dict[str, Any]:
    """Return how a function or a driver is called, as a runner reads it."""
    question: dict[str, Any] = {
        "function": function,
        "driver": driver,
        "arguments": task.arguments,
        "returns": task.return_names,
        "texts": [k for k, output in enumerate(task.outputs) if output.form in TEXT_FORMS],
        "lists": [k for k, output in enumerate(task.outputs) if output.form == "shape"],
    }
    if task.cache is not None:
        cache = task.cache
        question["cache"] = {
            "argument": cache.argument,
            "function": cache.function,
            "arguments": cache.arguments,
            "take": None if cache.whole else cache.take,
        }
    return question


def reference_answers(
    task: Task, place: Mapping[str, Any], module: ModuleType | None, drivers: Any, where: str
) -> list[Array]:
    """Return what the reference answers, one array for each output; it is called as a submission is."""
    question = question_of(task, task.reference, task.driver if task.answers_by_driver else "")
    try:
        value, _ = answered(module, question, dict(place), drivers)
    except MissingError as error:
        raise AssignmentError(
            f"{where}: found no function {str(error).rpartition(' ')[2]!r} in the reference module, expected one"
        ) from None
    except RefusalError:
        raise AssignmentError(
            f"{where}: cache: found nothing to take from what the reference's returned"
        ) from None
    answers = []
    for output, part in zip(task.outputs, parts_of(value, task.return_names), strict=True):
        if isinstance(part, RefusalError):
            raise AssignmentError(
                f"{where}: the reference returned no {output.name} as returns says; expected a tuple of "
                f"{', '.join(task.return_names)}, or a dict with these keys"
            )
        answers.append(finite(part, where, f" {output.name}" if output.name else ""))
    return answers


def finite(value: Any, where: str, name: str = "") -> Array:
    """Return numbers of the course's code as float64.

    Raises
    ------
    AssignmentError
        If they hold NaN or infinity.
    """
    array = real_array(value, f"the reference{name}").astype(np.float64)
    if not np.isfinite(array).all():
        raise AssignmentError(
            f"{where}: the reference returned NaN or infinity{name and f' in{name}'}, expected finite numbers"
        )
    return array


def value_of(task: Task, place: Mapping[str, Any], module: ModuleType | None, where: str) -> Any:
    """Return the value of the forward function or of the toolkit's, which is not differentiated."""
    if task.toolkit:
        f = _of_toolkit(task, place, module, where)
        return f(place[task.taken])
    function = _function(module, task.forward, where)
    return first_of(function(*(fresh(place[name]) for name in task.forward_arguments)))


def subject(
    task: Task, output: Output, place: Mapping[str, Any], module: ModuleType | None, where: str
) -> tuple[Any, Array, str]:
    """Return the function that is differentiated, its input, and by what.

    The vector-Jacobian product Σ dout·f is the gradient of the one function x ↦ ⟨dout, f(x)⟩.
    """
    if task.toolkit:
        f = _of_toolkit(task, place, module, where)
        return f, place[task.taken], _parameter(task, output.wrt, f, where)
    forward = _function(module, task.forward, where)
    upstream = place[task.upstream] if output.form == "vjp" else None

    def of_one(value: Any) -> Any:
        y = first_of(
            forward(*(value if name == output.wrt else fresh(place[name]) for name in task.forward_arguments))
        )
        return y if upstream is None else np.sum(upstream * y)

    if upstream is not None:
        y = value_of(task, place, module, where)
        if np.shape(y) != np.shape(upstream):
            raise AssignmentError(
                f"{where}: upstream: found shape {np.shape(upstream)}, expected {np.shape(y)}, which forward returns"
            )
    return of_one, place[output.wrt], INPUT


def first_of(value: Any) -> Any:
    """Return the value of a forward function; of one that returns (out, cache) it is the first."""
    return value[0] if isinstance(value, tuple) and value else value


def _of_toolkit(task: Task, place: Mapping[str, Any], module: ModuleType | None, where: str) -> Function:
    parameters = {name: fresh(value) for name, value in place.items() if name != task.taken}
    f = _model(task.toolkit, module, where)(**parameters)
    if not isinstance(f, Function):
        raise AssignmentError(
            f"{where}: toolkit: {task.toolkit!r} returned {class_name(f)}, expected a jacobians.Function"
        )
    return f


def _model(name: str, module: ModuleType | None, where: str) -> Callable[..., Any]:
    """Return what makes a Function of parameters: a class of the toolkit, or a function of the reference module."""
    kind = getattr(jacobians, name, None)
    if inspect.isclass(kind) and issubclass(kind, Function) and not inspect.isabstract(kind):
        return kind
    own = getattr(module, name, None)
    if not callable(own):
        named = ((key, getattr(jacobians, key)) for key in jacobians.__all__)
        classes = [key for key, kind in named if inspect.isclass(kind) and issubclass(kind, Function)]
        hint = near(name, classes)
        raise AssignmentError(
            f"{where}: toolkit: found {name!r}, expected a function of the reference module that returns a "
            f"Function, or one out of {', '.join(classes)}{hint}"
        )
    return own


def _parameter(task: Task, wrt: str, f: Function, where: str) -> str:
    """Return the name that the Function has for the argument by which is differentiated: "0.W" for "W"."""
    if wrt in (task.taken, ""):
        return INPUT
    names = [name for name in f.parameters if name == wrt or name.endswith(f".{wrt}")]
    if len(names) != 1:
        raise AssignmentError(
            f"{where}: wrt: found {wrt!r}, expected the name of one parameter out of "
            f"{', '.join(map(repr, f.parameters)) or 'none'}"
        )
    return names[0]


def _function(module: ModuleType | None, name: str, where: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise AssignmentError(f"{where}: found no function {name!r} in the reference module, expected one")
    return function
