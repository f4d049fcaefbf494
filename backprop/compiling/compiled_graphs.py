"""The Jacobians of plain NumPy code, and of plans on graphs, as functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy import ndarray  # looking it up in np is a few percent of a small call

from backprop.compiling.engines import (
    Engine,
    Work,
    checked_engine,
    engine_module,
    engine_text,
    fastest,
    installed,
    random_arguments,
)
from backprop.compiling.entrywise import NotScalarError
from backprop.compiling.gradient_source import gradient_source
from backprop.compiling.jacobians import Form
from backprop.compiling.memory import maker
from backprop.compiling.nodes import fixed_nodes
from backprop.compiling.numpy_functions import GraphTrace, edges_graph, recorded_graph, trace_plan
from backprop.compiling.points import by_columns, one_by_one
from backprop.compiling.recording import Recording
from backprop.compiling.scalar_form import is_small, scalar_form
from jacobians import Function, Graph, trace
from jacobians.equality import ByValue
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_flag, checked_option, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.keywords import checked_keywords, keywords_of
from jacobians.planning.plan import GraphPlan

_EVALUATIONS = 2_000  # a second or two of search, which a caller who plans for long raises
_PLANNING = ("objective", "structure", "max_elements", "evaluations", "seconds", "seed")
_TRIED = 64  # points that engines are compared on


class CompiledGraph(ByValue):
    """The dense Jacobians of NumPy code, or of a plan on a graph, as a function. Made by :func:`compile`.

    It returns a matrix (m, n) for each output and each argument that is differentiated by, or (N, m, n) for N points:
    those of one output as a tuple in the order of the arguments, without the tuple if it is one; several outputs in a
    tuple.

    Attributes
    ----------
    source : str
        The generated code.
    form : str
        "arrays" for NumPy code, "scalars" for code entry by entry.
    arguments : tuple of str
        What the function takes, in order; arrays of the shapes that were compiled for.
    plan : GraphPlan
        How the edges are multiplied, made from specs, at a point that is not known.
    cost : Cost
        Multiplications and additions of the plan's products in one call, at one point: at most ``plan.cost``, for what
        is the same product is formed once, and products of constants never. Values, entries of edges and the dense
        forms are not counted, as in a plan.
    constants : dict of str to numpy.ndarray
        The arrays that the code takes.
    workspace : int
        The bytes that are kept between calls for intermediate results.
    """

    def __init__(
        self,
        made: GraphTrace,
        title: str,
        form: Form,
        recipe: tuple[Any, ...],
        engine: Engine = "numpy",
        batched: bool = False,
    ) -> None:
        if not isinstance(made, GraphTrace):
            raise TypeError(f"made: found {shown(made)}, expected recorded operations; see backprop.compile")
        self.plan, self.cost, self.arguments = made.plan, made.cost, tuple(made.arguments)
        self._kinds, self._recipe, self._form, self._batched = made.arguments, recipe, form, batched
        self._others: dict[Any, CompiledGraph] = {}
        self.engine, self._candidates = engine, ""
        self._own: Any = _none_is
        self._call: Any
        if engine == "auto":
            others = {name: CompiledGraph(made, title, form, recipe, name, batched) for name in installed()}
            arguments = random_arguments(made.arguments.values(), _TRIED if batched else None)
            name = fastest({name: call._call for name, call in others.items()}, arguments)
            vars(self).update(vars(others[name]))
            self._candidates = ", ".join(others)
            return
        heading = f"{title}\n\nReturns {'; '.join(made.results)}.\nCost of a call: {made.cost}.\n"
        module = None if engine == "numpy" else engine_module(engine)
        call = None
        if module is not None and (form != "arrays" or module.KEEPS_UNITS):
            call = module.made(Work(made.nodes, list(made.arguments), made.returned, made.once, many=batched))
        if module is not None and call is None:
            nodes = module.rewritten(made.nodes, made.returned, made.once)
            made = replace(made, nodes=nodes, once=fixed_nodes(nodes))
        written = gradient_source(made, heading, "jacobians")
        self.source, self.constants, self.workspace = written.source, written.constants, written.workspace
        arrays = written.made()
        self._call, self.form = arrays, "arrays"
        if module is not None and call is not None:
            self._call, self._own, self.workspace = call, module.own, 0
            if hasattr(call, "source"):
                self.source, self.form = call.source, "scalars"
        elif batched or form == "scalars" or (form == "auto" and is_small(made)):
            self._take_scalars(made, title, arrays)
        self._take_the_short_way()

    def _take_scalars(self, made: GraphTrace, title: str, arrays: Any) -> None:
        """Take the code entry by entry where there is one, by columns of points in a batch."""
        try:
            if self._form == "arrays":
                raise NotScalarError("not asked for")
            if self._batched:
                self._call, self.source = by_columns(made, title)
            else:
                source = scalar_form(made, title, self.arguments)
                self._call, self.source = maker(source)(arrays), source
        except NotScalarError as error:
            if self._form == "scalars":
                raise ValueError(
                    f"form: found 'scalars' for Jacobians without that form ({error}), expected 'arrays' or 'auto'"
                ) from None
            if self._batched:
                self._call = one_by_one(arrays, made.returned)
        else:
            self.form = "scalars"

    def _take_the_short_way(self) -> None:
        """Let an array of the usual kind straight to the code, where there is one argument and one result."""
        kinds, graph = list(self._kinds.values()), self.plan.graph
        self._short: Any = None
        if len(kinds) == len(graph.inputs) == len(graph.outputs) == 1 and not self._batched:
            call = self._call
            self._short = getattr(call, "one", None) or (lambda x: call(x)[0])
            self._dtype, self._shape = kinds[0].dtype, kinds[0].shape

    def __call__(self, *points: Any, **named: Any) -> Any:
        """Return the Jacobians at a point, or at all of some.

        Parameters
        ----------
        *points, **named : array_like
            The arguments, by position or by name.

        Raises
        ------
        TypeError, ValueError
            If an argument is missing, not known, or of another shape than was compiled for.
        """
        # the code has the error state of these packages: the usual way needs none around it
        if self._short is not None and len(points) == 1:
            x = points[0]
            if type(x) is ndarray and x.dtype is self._dtype and x.shape == self._shape and not named:
                return self._short(x)
        return self._at(points, named)

    @without_float_errors
    def _at(self, points: Sequence[Any], named: Mapping[str, Any]) -> Any:
        rest = self.arguments[len(points) :]
        if len(points) > len(self.arguments) or set(rest) != set(named):
            found = f"{len(points)} by position and {sorted(named)} by name"
            raise TypeError(f"points: found {found}, expected {', '.join(self.arguments)}")
        given = [*points, *(named[name] for name in rest)]
        arrays = [self._door(value, name) for name, value in zip(self.arguments, given, strict=True)]
        dtypes = tuple(array.dtype for array in arrays)
        if dtypes != tuple(node.dtype for node in self._kinds.values()):
            if dtypes not in self._others:
                kinds = self._kinds.values()
                examples = [
                    np.zeros(node.shape, array.dtype) for node, array in zip(kinds, arrays, strict=True)
                ]
                self._others[dtypes] = _restored(self._recipe, examples)
            return self._others[dtypes](*arrays)
        if self._batched and len({len(array) for array in arrays}) > 1:
            counts = ", ".join(
                f"{len(array)} in {name}" for name, array in zip(self.arguments, arrays, strict=True)
            )
            raise ValueError(f"points: found {counts}, expected the same number of points in every argument")
        found = self._call(*arrays)
        inputs = len(self.plan.graph.inputs)
        answers = [tuple(found[k : k + inputs]) for k in range(0, len(found), inputs)]
        plain = [row[0] if inputs == 1 else row for row in answers]
        return plain[0] if len(plain) == 1 else tuple(plain)

    def _door(self, value: Any, name: str) -> Array:
        node = self._kinds[name]
        if (type(value) is ndarray and value.dtype == node.dtype and self._fits(value, node.shape)) or (
            self._own(value) and self._fits(value, node.shape)
        ):
            return value
        indices = node.dtype.kind == "i"  # of an edge
        array = np.asarray(value) if indices else real_array(value, name, foreign="refuse")
        if not self._fits(array, node.shape):
            expected = f"(points, {', '.join(map(str, node.shape))})" if self._batched else f"{node.shape}"
            raise ValueError(
                f"{name}: found shape {array.shape}, expected {expected}, the shape that was compiled for; compile "
                "again for another one"
            )
        return array

    def _fits(self, array: Any, shape: tuple[int, ...]) -> bool:
        lead = int(self._batched)
        return len(array.shape) == len(shape) + lead and tuple(array.shape[lead:]) == shape

    def __reduce__(self) -> Any:
        # compiled again: code that is run is never read from a pickle
        return _restored, (self._recipe,)

    def __repr__(self) -> str:
        outputs = len(self.plan.graph.outputs)
        of = "" if outputs == 1 else f" of {outputs} outputs"
        by = ", ".join(self.plan.graph.vertices[place].name for place in self.plan.graph.inputs)
        at = " at points" if self._batched else ""
        where = engine_text(self.form, self.engine, self._candidates)
        return f"<CompiledGraph{of} by {by}{at}: {where}, {self.cost}>"


def _none_is(array: Any) -> bool:
    return False


def _restored(recipe: tuple[Any, ...], arrays: Sequence[Array] | None = None) -> CompiledGraph:
    make, *given = recipe
    if arrays is not None:
        given[1] = dict(zip(given[1], arrays, strict=True))
    made: CompiledGraph = make(*given)
    return made


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
    names = list(given) if wrt is None else [checked_option(name, "wrt", list(given)) for name in wrt]
    return _of_code(code, given, len(points), names, strategy, planning, form, engine, batched)


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
