"""What is compiled to straight-line code: networks, plain NumPy functions, and plans on graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, overload

import numpy as np

from backprop.compiling.arguments import checked_precision, checked_sizes, with_own_parameters
from backprop.compiling.compiled_graphs import CompiledGraph
from backprop.compiling.engines import Engine, checked_engine
from backprop.compiling.graph_makers import compile_code, compile_graph
from backprop.compiling.jacobians import CompiledJacobian, Form
from jacobians import Function, Graph
from jacobians.names import class_said
from jacobians.numerics.arguments import checked_flag, checked_integer, checked_option
from jacobians.numerics.keywords import checked_keywords, keywords_of
from jacobians.planning.plan import GraphPlan


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
    wrt : str or sequence of str, optional
        Of plain code: the argument or arguments to differentiate by; all by default.
    strategy, objective, structure, max_elements, evaluations, seconds, seed
        Of plain code and of graphs: as in :meth:`jacobians.Graph.plan`; by default "optimal", with 2,000 evaluations
        for plain code.
    by : str
        Of a network, as all that follow but for what says otherwise: "input" or the name of a parameter, such as "0.W".
    loss : Function, optional
        A function of the prediction, made for its target, such as ``SquaredError(y)``.
    batched : bool
        Of all: whether the first axis of x counts points, or that of every argument of plain code. Code and traced
        graphs take any number of points then, and return a matrix a point, (N, m, n).
    shape : tuple of int, optional
        The shape of x, points included; by default that of the vectors which a first affine layer takes.
    dtype : dtype
        float64 or float32: what `source` is written for; x of the other one is compiled for when it comes.
    block : int, optional
        How many points of a batch the code takes at once; by default those whose products fit into a core's cache,
        all where there is a loss.
    engine : {"numpy", "numba", "jax", "auto"}
        Of all: what runs the recording. "numba" (extra `fast`) compiles small functions to scalar code, a loop over
        points where there are some, middle ones to loops and products by vector instructions of the processor at
        hand, and gives NumPy's code such products, and activations with their slopes, in large ones; "jax" (extra
        `jax`) runs it under ``jax.jit`` and takes JAX's arrays too; "auto" takes what is the fastest of those installed
        on random points, which its representation says.
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
        return compile_graph(network, *points, **options)
    if isinstance(network, Function) or not callable(network) or isinstance(network, type):
        checked_keywords(options, "compile", ["by", "loss", *keywords_of(compile_network)], " for a network")
        return compile_network(network, *points, **options)
    return compile_code(network, *points, **options)


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
    kinds = "an MLP, plain NumPy code, a graph or a plan on one"
    for name, value, known in (("network", network, kinds), ("loss", loss, "SquaredError(y)")):
        if not isinstance(value, Function) and (name == "network" or value is not None):
            raise TypeError(f"{name}: found {class_said(value)}, expected a Function such as {known}")
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
    engine = checked_engine(engine)
    own = with_own_parameters(network)
    return CompiledJacobian(own, sizes, kind, by, loss, bool(batched), form, block, engine)
