"""Makers of compiled graphs: what is asked for is looked at, recorded and planned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from backprop.compiling.compiled_graphs import CompiledGraph
from backprop.compiling.engines import Engine, checked_engine
from backprop.compiling.jacobians import Form
from backprop.compiling.numpy_functions import edges_graph, recorded_graph, trace_plan
from backprop.compiling.recording import Recording
from jacobians import Function, Graph, trace
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_flag, checked_list, checked_option
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.keywords import checked_keywords, keywords_of
from jacobians.planning.plan import GraphPlan

_EVALUATIONS = 2_000  # a second or two of search, which a caller who plans for long raises
_PLANNING = ("objective", "structure", "max_elements", "evaluations", "seconds", "seed")


def _of_code(
    code: Callable[..., Any],
    points: Mapping[str, Array],
    positional: int,
    wrt: Sequence[str],
    strategy: str | Sequence[int],
    options: Mapping[str, Any],
    form: Form,
    engine: Engine,
    batched: bool,
) -> CompiledGraph:
    recording = Recording(share=True)
    graph, arguments = recorded_graph(recording, code, points, positional, wrt)
    made = trace_plan(recording, graph.plan(strategy, **options), arguments)
    for node in (
        made.nodes
    ):  # the code's own arrays, which others may change: a form that has computed with them can't
        if node.kind == "constant" and node.value is not None:
            node.value = np.array(node.value)
    name = getattr(code, "__name__", class_name(code))
    shapes = ", ".join(f"{called} {node.shape}" for called, node in arguments.items())
    recipe = (
        _of_code,
        code,
        dict(points),
        positional,
        tuple(wrt),
        strategy,
        dict(options),
        form,
        engine,
        batched,
    )
    return CompiledGraph(made, f"Jacobians of {name} at {shapes}.", form, recipe, engine, batched)


def _of_edges(plan: GraphPlan, form: Form, engine: Engine) -> CompiledGraph:
    recording = Recording(share=True)
    graph, arguments = edges_graph(recording, plan.graph)
    made = trace_plan(recording, replace(plan, graph=graph), arguments)
    return CompiledGraph(
        made, f"Plan ({plan.strategy}) on edges.", form, (_of_edges, plan, form, engine), engine
    )


def compile_code(code: Callable[..., Any], *points: Any, **options: Any) -> CompiledGraph:
    """Return the Jacobians of plain NumPy code as a function: see :func:`backprop.compile`.

    Raises
    ------
    TypeError, ValueError, ImportError, TracingError
        If an argument is refused.
    """
    _require_known(code, options)
    form: Any = checked_option(options.pop("form", "auto"), "form", get_args(Form))
    engine: Any = checked_engine(options.pop("engine", "numpy"))
    batched = checked_flag(options.pop("batched", False), "batched")
    wrt, strategy = options.pop("wrt", None), options.pop("strategy", "optimal")
    planning = {"evaluations": _EVALUATIONS} | {k: options.pop(k) for k in _PLANNING if k in options}
    if batched:
        points = tuple(_first(value, f"argument {place + 1}") for place, value in enumerate(points))
        options = {name: _first(value, name) for name, value in options.items()}
    graph = trace(code, *points, **options)
    given = {graph.vertices[place].name: np.asarray(graph.vertices[place].value) for place in graph.inputs}
    names = list(given) if wrt is None else _checked_names(wrt, list(given))
    return _of_code(code, given, len(points), names, strategy, planning, form, engine, batched)


def _checked_names(wrt: Any, known: list[str]) -> list[str]:
    """Return the arguments to differentiate by: one, or several that are different."""
    given = [wrt] if isinstance(wrt, str) else checked_list(wrt, "wrt", "names")
    names = [checked_option(name, "wrt", known) for name in given]
    if not names:
        raise ValueError("wrt: found no name, expected at least one")
    if len(set(names)) < len(names):
        raise ValueError(f"wrt: found {names}, expected each argument once")
    return names


def _require_known(code: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse an option that is neither one of compile's nor an argument of the code."""
    try:
        parameters = inspect.signature(code).parameters.values()
    except (TypeError, ValueError):  # not all built-in functions tell theirs
        return
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        known = [*named, "wrt", *keywords_of(compile_graph), *_PLANNING, "max_vertices"]
        checked_keywords(options, "compile", known, " for plain code")


def _first(value: Any, name: str) -> Array:
    array = real_array(value, name, foreign="refuse")
    if not array.ndim:
        raise ValueError(
            f"{name}: found shape {array.shape}, expected a first axis of points, of which there is one at least; or "
            "batched=False"
        )
    return np.array(array[0])


def compile_graph(
    graph: Graph | GraphPlan,
    *,
    form: Form = "auto",
    engine: Any = "numpy",
    batched: bool = False,
    strategy: Any = "optimal",
    **options: Any,
) -> CompiledGraph:
    """Return the Jacobians of a graph, or of a plan on one, as a function: see :func:`backprop.compile`.

    Raises
    ------
    TypeError, ValueError, ImportError
        If an argument is refused.
    """
    checked_keywords(options, "compile", [*keywords_of(compile_graph), *_PLANNING], " for a graph")
    checked_option(form, "form", get_args(Form))
    engine = checked_engine(engine)
    checked_flag(batched, "batched")
    plan = graph if isinstance(graph, GraphPlan) else None
    of = graph.graph if isinstance(graph, GraphPlan) else graph
    if plan is not None and (options or strategy != "optimal"):
        raise TypeError(f"strategy: found {strategy!r} and {sorted(options)}, expected none beside a plan")
    values = [of.vertices[place].value for place in of.inputs]
    if of.code is None:
        if any(value is not None for value in values):
            raise ValueError(
                "graph: found a traced graph without its code (pickle doesn't keep it), expected one from trace(…); or "
                "compile(f, x, …)"
            )
        if batched:
            raise ValueError("batched: found True for a graph of edges, expected False, or a traced graph")
        return _of_edges(plan or of.plan(strategy, **options), form, engine)
    known = of.vertices[:1] if isinstance(of.code, Function) else ()  # x, whether or not it is an input
    taken = (*known, *(of.vertices[place] for place in of.inputs))
    given = {vertex.name: np.asarray(vertex.value) for vertex in taken}
    wrt = [of.vertices[place].name for place in of.inputs]
    if plan is not None:
        strategy, options = plan.order, {"structure": plan.structure}
    try:
        return _of_code(of.code, given, of.positional, wrt, strategy, options, form, engine, batched)
    except ValueError as error:
        if plan is None or not str(error).startswith("strategy: "):
            raise
        raise ValueError(
            "plan: found an order for the graph at one point, where other edges are zero than elsewhere; expected one "
            "for all points: compile(graph) plans it"
        ) from None
