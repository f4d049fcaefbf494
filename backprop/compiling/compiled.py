"""What is compiled to straight-line code: networks, plain NumPy functions, and plans on graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args, overload

import numpy as np

from backprop.compiling.arguments import checked_precision, checked_sizes
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
from backprop.compiling.jacobians import CompiledJacobian, Form
from backprop.compiling.memory import maker
from backprop.compiling.nodes import fixed_nodes
from backprop.compiling.numpy_functions import GraphTrace, edges_graph, recorded_graph, trace_plan
from backprop.compiling.recording import Recording
from backprop.compiling.scalar_form import is_small, scalar_form
from jacobians import Function, Graph, trace
from jacobians.equality import ByValue
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_flag, checked_integer, checked_option, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.planning.plan import GraphPlan


class CompiledGraph(ByValue):
    """The dense Jacobians of NumPy code, or of a plan on a graph, as a function. Made by :func:`compile`.

    It returns a matrix (m, n) for each output and each argument that is differentiated by: those of one output as a
    tuple in the order of the arguments, without the tuple if it is one; several outputs in a tuple.

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
        Multiplications and additions of the plan's products in one call: at most ``plan.cost``, for what is the same
        product is formed once, and products of constants never. Values, entries of edges and the dense forms are not
        counted, as in a plan.
    constants : dict of str to numpy.ndarray
        The arrays that the code takes.
    workspace : int
        The bytes that are kept between calls for intermediate results.
    """

    def __init__(
        self, made: GraphTrace, title: str, form: Form, recipe: tuple[Any, ...], engine: Engine = "numpy"
    ) -> None:
        if not isinstance(made, GraphTrace):
            raise TypeError(f"made: found {shown(made)}, expected recorded operations; see backprop.compile")
        self.plan, self.cost, self.arguments = made.plan, made.cost, tuple(made.arguments)
        self._kinds, self._recipe, self._form = made.arguments, recipe, form
        self._others: dict[Any, CompiledGraph] = {}
        self.engine, self._candidates = engine, ""
        self._own: Any = _none_is
        self._call: Any
        if engine == "auto":
            others = {name: CompiledGraph(made, title, form, recipe, name) for name in installed()}
            name = fastest(
                {name: call._call for name, call in others.items()}, random_arguments(made.arguments.values())
            )
            vars(self).update(vars(others[name]))
            self._candidates = ", ".join(others)
            return
        heading = f"{title}\n\nReturns {'; '.join(made.results)}.\nCost of a call: {made.cost}.\n"
        module = None if engine == "numpy" else engine_module(engine)
        call = None
        if module is not None and (form != "arrays" or module.KEEPS_UNITS):
            call = module.made(Work(made.nodes, list(made.arguments), made.returned, made.once))
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
        elif form == "scalars" or (form == "auto" and is_small(made)):
            try:
                source = scalar_form(made, title, self.arguments)
            except NotScalarError as error:
                if form == "scalars":
                    raise ValueError(
                        f"form: found 'scalars' for Jacobians without that form ({error}), expected 'arrays' or 'auto'"
                    ) from None
            else:
                self._call, self.source, self.form = maker(source)(arrays), source, "scalars"

    @without_float_errors
    def __call__(self, *points: Any, **named: Any) -> Any:
        """Return the Jacobians at a point.

        Parameters
        ----------
        *points, **named : array_like
            The arguments, by position or by name.

        Raises
        ------
        TypeError, ValueError
            If an argument is missing, not known, or of another shape than was compiled for.
        """
        rest = self.arguments[len(points) :]
        if len(points) > len(self.arguments) or set(rest) != set(named):
            found = f"{len(points)} by position and {sorted(named)} by name"
            raise TypeError(f"points: found {found}, expected {', '.join(self.arguments)}")
        given = [*points, *(named[name] for name in rest)]
        arrays = [self._door(value, name) for name, value in zip(self.arguments, given, strict=True)]
        dtypes = tuple(array.dtype for array in arrays)
        if dtypes != tuple(node.dtype for node in self._kinds.values()):
            if dtypes not in self._others:
                self._others[dtypes] = _restored(self._recipe, arrays)
            return self._others[dtypes](*arrays)
        found = self._call(*arrays)
        inputs = len(self.plan.graph.inputs)
        answers = [tuple(found[k : k + inputs]) for k in range(0, len(found), inputs)]
        plain = [row[0] if inputs == 1 else row for row in answers]
        return plain[0] if len(plain) == 1 else tuple(plain)

    def _door(self, value: Any, name: str) -> Array:
        node = self._kinds[name]
        if (type(value) is np.ndarray and value.dtype == node.dtype and value.shape == node.shape) or (
            self._own(value) and tuple(value.shape) == node.shape
        ):
            return value
        indices = node.dtype.kind == "i"  # of an edge
        array = np.asarray(value) if indices else real_array(value, name, foreign="refuse")
        if array.shape != node.shape:
            raise ValueError(
                f"{name}: found shape {array.shape}, expected {node.shape}, the shape that was compiled for; compile "
                "again for another one"
            )
        return array

    def __reduce__(self) -> Any:
        # compiled again: code that is run is never read from a pickle
        return _restored, (self._recipe,)

    def __repr__(self) -> str:
        outputs = len(self.plan.graph.outputs)
        of = "" if outputs == 1 else f" of {outputs} outputs"
        by = ", ".join(self.plan.graph.vertices[place].name for place in self.plan.graph.inputs)
        return f"<CompiledGraph{of} by {by}: {engine_text(self.form, self.engine, self._candidates)}, {self.cost}>"


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
) -> CompiledGraph:
    recording = Recording(share=True)
    graph, arguments = recorded_graph(recording, code, points, positional, wrt)
    made = trace_plan(recording, graph.plan(strategy, **options), arguments)
    name = getattr(code, "__name__", class_name(code))
    shapes = ", ".join(f"{called} {node.shape}" for called, node in arguments.items())
    recipe = (_of_code, code, dict(points), positional, tuple(wrt), strategy, dict(options), form, engine)
    return CompiledGraph(made, f"Jacobians of {name} at {shapes}.", form, recipe, engine)


def _of_edges(plan: GraphPlan, form: Form, engine: Engine) -> CompiledGraph:
    recording = Recording(share=True)
    graph, arguments = edges_graph(recording, plan.graph)
    made = trace_plan(recording, replace(plan, graph=graph), arguments)
    return CompiledGraph(made, f"Plan ({plan.strategy}) on edges.", form, (_of_edges, plan, form))


@overload
def compile(  # noqa: A001  # backprop.compile(net), as re.compile
    network: Function,
    by: str = "input",
    loss: Function | None = None,
    *,
    batched: bool = False,
    shape: tuple[int, ...] | None = None,
    dtype: Any = np.float64,
    form: Form = "auto",
    block: int | None = None,
    engine: Engine = "numpy",
) -> CompiledJacobian: ...
@overload
def compile(  # noqa: A001
    network: Callable[..., Any] | Graph | GraphPlan, *points: Any, **options: Any
) -> CompiledGraph: ...


def compile(network: Any, *points: Any, **options: Any) -> CompiledJacobian | CompiledGraph:  # noqa: A001
    """Return Jacobians as a fast function: straight-line code, generated once.

    ``compile(net, by="input", loss=None, …)`` takes a network: forward pass, factors and their product by the cheapest
    plan are recorded by running the library's own formulas; what occurs twice is computed once, what depends on
    parameters alone at compile time. ``compile(f, x, …)`` takes plain NumPy code and arrays of the shapes that it will
    be called with, ``compile(graph)`` and ``compile(plan)`` a graph or a plan on one: values, structured Jacobians of
    all operations and their products by a plan.

    Parameters
    ----------
    network : Function, callable, Graph or GraphPlan
        A network, whose parameters are copied: compile again after an update. Or plain NumPy code; or a graph: of one
        that was traced the function takes the arguments of its code, of one from edges the arrays of
        ``plan.source_arguments(dense=True)``.
    *points, **named : array_like
        Of plain code: its arguments, for their shapes and precision.
    wrt : sequence of str, optional
        Of plain code: the arguments to differentiate by; all by default.
    strategy, objective, structure, max_elements, evaluations, seconds, seed
        Of plain code and of graphs: as in :meth:`jacobians.Graph.plan`; by default "optimal", with 2,000 evaluations
        for plain code.
    by : str
        Of a network, as all that follow: "input" or the name of a parameter, such as "0.W".
    loss : Function, optional
        A function of the prediction, made for its target, such as ``SquaredError(y)``.
    batched : bool
        Whether the first axis of x counts points.
    shape : tuple of int, optional
        The shape of x, points included; by default that of the vectors which a first affine layer takes.
    dtype : dtype
        float64 or float32: what `source` is written for; x of the other one is compiled for when it comes.
    block : int, optional
        How many points of a batch the code takes at once; by default those whose products fit into a core's cache,
        all where there is a loss.
    engine : {"numpy", "numba", "jax", "auto"}
        Of all: what runs the recording. "numba" (extra `fast`) compiles small functions to scalar code, a loop over
        points where there are some, and puts activations and their slopes into one loop between NumPy's products;
        "jax" (extra `jax`) runs it under ``jax.jit`` and takes JAX's arrays too; "auto" takes what is the fastest of
        those installed on random points, which its representation says.
    form : {"auto", "arrays", "scalars"}
        Of all: NumPy code, or code entry by entry on Python's floats, for float64 only; "auto" takes what should be
        faster.

    Returns
    -------
    CompiledJacobian or CompiledGraph

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    ImportError
        If the engine's library is not installed.
    RecordingError
        If a layer of one's own does what straight-line code can't, such as a branch on a number.
    TracingError
        If plain code branches on values, or does what can't be followed; the message names the line.

    Examples
    --------
    >>> from backprop import MLP
    >>> net = MLP.initialize([2, 3, 4, 1], loss="squared-error", seed=0)
    >>> jacobian = compile(net)
    >>> jacobian
    <CompiledJacobian ∂/∂input: x (2,) ↦ 1×2, scalars, 25 multiplications, 13 additions>
    >>> x = np.array([0.5, -1.0])
    >>> np.allclose(jacobian(x), net.jacobian(x).dense())
    True

    Plain code, by both arguments:

    >>> jacobians = compile(lambda W, x: np.tanh(W @ x), np.eye(2), x)
    >>> by_W, by_x = jacobians(np.eye(2), x)
    >>> by_x.round(3)
    array([[0.786, 0.   ],
           [0.   , 0.42 ]])
    """
    if isinstance(network, Graph | GraphPlan):
        return _of_graph(network, *points, **options)
    if isinstance(network, Function) or not callable(network) or isinstance(network, type):
        return compile_network(network, *points, **options)
    form: Any = checked_option(options.pop("form", "auto"), "form", get_args(Form))
    engine: Any = checked_engine(options.pop("engine", "numpy"))
    wrt, strategy = options.pop("wrt", None), options.pop("strategy", "optimal")
    planning = {"evaluations": _EVALUATIONS} | {k: options.pop(k) for k in _PLANNING if k in options}
    graph = trace(network, *points, **options)
    given = {graph.vertices[place].name: np.asarray(graph.vertices[place].value) for place in graph.inputs}
    names = list(given) if wrt is None else [checked_option(name, "wrt", list(given)) for name in wrt]
    return _of_code(network, given, len(points), names, strategy, planning, form, engine)


def compile_network(
    network: Function,
    by: str = "input",
    loss: Function | None = None,
    *,
    batched: bool = False,
    shape: tuple[int, ...] | None = None,
    dtype: Any = np.float64,
    form: Form = "auto",
    block: int | None = None,
    engine: Engine = "numpy",
) -> CompiledJacobian:
    """Return the Jacobian of a network as a function of x: see :func:`backprop.compile`.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    RecordingError
        If a layer of one's own does what straight-line code can't.
    """
    for name, value in (("network", network), ("loss", loss)):
        if not isinstance(value, Function) and (name == "network" or value is not None):
            found = f"the class {class_name(value)}" if isinstance(value, type) else class_name(value)
            raise TypeError(f"{name}: found {found}, expected a Function such as SquaredError(y)")
    checked_flag(batched, "batched")
    checked_option(form, "form", get_args(Form))
    kind = checked_precision(dtype)
    checked_option(by, "by", ["input", *network.parameters])
    sizes = checked_sizes(network, shape, batched)
    if block is not None:
        if not batched or loss is not None:
            raise ValueError(f"block: found {block!r}, expected None for one point and for a loss")
        block = min(checked_integer(block, "block", least=1), sizes[0])
    network.check_input(sizes[int(batched) :])
    return CompiledJacobian(
        network, sizes, kind, by, loss, bool(batched), form, block, checked_engine(engine)
    )


_EVALUATIONS = 2_000  # a second or two of search, which a caller who plans for long raises
_PLANNING = ("objective", "structure", "max_elements", "evaluations", "seconds", "seed")


def _of_graph(
    graph: Graph | GraphPlan,
    *,
    form: Form = "auto",
    engine: Any = "numpy",
    strategy: Any = "optimal",
    **options: Any,
) -> CompiledGraph:
    checked_option(form, "form", get_args(Form))
    engine = checked_engine(engine)
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
        return _of_edges(plan or of.plan(strategy, **options), form, engine)
    known = of.vertices[:1] if isinstance(of.code, Function) else ()  # x, whether or not it is an input
    taken = (*known, *(of.vertices[place] for place in of.inputs))
    given = {vertex.name: np.asarray(vertex.value) for vertex in taken}
    wrt = [of.vertices[place].name for place in of.inputs]
    if plan is not None:
        strategy, options = plan.order, {"structure": plan.structure}
    try:
        return _of_code(of.code, given, of.positional, wrt, strategy, options, form, engine)
    except ValueError as error:
        if plan is None or not str(error).startswith("strategy: "):
            raise
        raise ValueError(
            "plan: found an order for the graph at one point, where other edges are zero than elsewhere; expected one "
            "for all points: compile(graph) plans it"
        ) from None
