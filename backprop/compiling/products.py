"""Products with a network's Jacobian, compiled: what depends on x once a point, each product by its own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop.compiling.arguments import checked_precision, checked_sizes, short_name, with_own_parameters
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
from backprop.compiling.gradient_source import GradientTrace, gradient_source
from backprop.compiling.nodes import Node, fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.products_at import ProductsAt
from backprop.compiling.recording import Recording
from backprop.compiling.recording_ledger import RecordingLedger
from backprop.compiling.stored_arrays import recorded_factor, stored_arrays
from jacobians import Cost, Function, Jacobian, Spec
from jacobians.equality import ByValue
from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_flag, checked_list, checked_option, shown
from jacobians.numerics.arrays import real_array
from jacobians.numerics.ledger import UNCOUNTED, Ledger
from jacobians.structures import BlockRow


class CompiledProducts(ByValue):
    """J v, Jᵀu and the norms of J's rows as functions of x. Made by :func:`compile_products`.

    ``products.at(x)`` computes what depends on x: outputs, slopes, and the products of factors that the plan shares.
    What it returns multiplies as often as one likes. The parameters are those of the network when it was compiled.

    Attributes
    ----------
    sources : dict of str to str
        The code for NumPy: "values" of x, one for each of "matvec", "rmatvec", "row_norms", and in a batch for one
        vector at all points, "matvec_of_one" and "rmatvec_of_one", and for the sum over them "rmatvec_summed".
    costs : dict of str to Cost
        Multiplications and additions in one call of each but "values"; norms are not counted.
    spec : Spec
        The structure of J.
    engine : str
        What runs the code.
    """

    spec: Spec

    def __init__(
        self,
        network: Function,
        wrt: str | tuple[str, ...],
        shape: tuple[int, ...] | None,
        batched: bool,
        dtype: np.dtype[Any],
        engine: Engine,
    ) -> None:
        if not isinstance(network, Function):
            raise TypeError(f"network: found {shown(network)}, expected a Function such as an MLP")
        batched, names = checked_flag(batched, "batched"), [INPUT, *network.parameters]
        if isinstance(wrt, str):
            checked_option(wrt, "wrt", names)
        else:
            wrt = tuple(checked_option(one, "wrt", names) for one in checked_list(wrt, "wrt", "names"))
            if not wrt:
                raise ValueError("wrt: found no name, expected at least one")
        shape, dtype = checked_sizes(network, shape, batched), checked_precision(dtype)
        network.check_input(shape[int(batched) :])
        engine = checked_engine(engine)
        self.shape, self.dtype, self.wrt, self._batched = shape, dtype, wrt, batched
        self._network = network
        self._engine, self.engine, self._candidates = engine, engine, ""
        if engine == "auto":
            given = (network, wrt, shape, batched, dtype)
            made = {name: CompiledProducts(*given, name) for name in installed()}
            x = random_arguments([Node("input", "x", (), {}, shape, dtype, {})])[0]
            v = np.ones(made["numpy"].spec.shape[1], dtype)
            name = fastest({name: lambda c=c: c.at(x).matvec(v) for name, c in made.items()}, [])
            vars(self).update(vars(made[name]))
            self._engine, self._candidates = "auto", ", ".join(made)
            return
        module = None if engine == "numpy" else engine_module(engine)
        self._ledger = UNCOUNTED if module is None else module.LEDGER
        self._own: Any = (lambda array: False) if module is None else module.own
        self.sources: dict[str, str] = {}
        self.costs: dict[str, Cost] = {}
        recording = Recording(share=True)
        x_of: Any = recording.input("x", shape, dtype)
        bound = self._network.bind(
            {name: recording.constant(value) for name, value in self._network.parameters.items()}
        )
        ndim = int(batched)
        jacobian: Jacobian = (
            bound._jacobian(x_of, wrt, ndim)
            if isinstance(wrt, str)
            else BlockRow.unchecked(bound._jacobians_by(x_of, wrt, ndim))
        )
        self._like, self.spec = jacobian, jacobian.spec
        self._lead = shape[:1] if batched else ()
        # what several blocks store is one array, be it in the code or among the values
        first: dict[int, str] = {}
        arrays: dict[str, Node] = {}
        self._stored: dict[str, str] = {}  # the name of each stored array among the values
        for name, array in stored_arrays(jacobian, "J").items():
            node = recording.lift(array).node
            self._stored[name] = first.setdefault(id(node), name)
            arrays.setdefault(self._stored[name], node)
        self._arrays = list(arrays)
        self._values = self._code("values", recording, arrays, ["x"])
        m, n = self.spec.shape
        # one vector for all points has code of its own: then many products are one
        leads = {self._lead: ""} | ({(): "_of_one"} if batched else {})
        self._codes = {
            "row_norms": self._product("row_norms", None, lambda J, _, ledger: J._row_norms(), (m,))
        }
        for lead, ending in leads.items():
            self._codes[f"matvec{ending}"] = self._product(
                f"matvec{ending}",
                (*lead, n),
                lambda J, v, ledger: J._apply(v[..., None], ledger)[..., 0],
                (m,),
            )
            self._codes[f"rmatvec{ending}"] = self._product(
                f"rmatvec{ending}",
                (*lead, m),
                lambda J, u, ledger: J._transpose()._apply(u[..., None], ledger)[..., 0],
                (n,),
            )
        if batched:
            self._codes["rmatvec_summed"] = self._product(
                "rmatvec_summed", (*self._lead, m), _pulled, (n,), ()
            )

    def _product(
        self,
        name: str,
        shape: tuple[int, ...] | None,
        formula: Callable[..., Any],
        result: tuple[int, ...],
        lead: tuple[int, ...] | None = None,
    ) -> Callable[..., Any]:
        recording = Recording(share=True)
        factor = recorded_factor(recording, self.spec, "J", self._like, self._stored)
        vector = None if shape is None else recording.input("vector", shape, self.dtype)
        ledger = RecordingLedger(recording, planned=False)
        found: Any = recording.lift(formula(factor, vector, ledger))
        expected = (*(self._lead if lead is None else lead), *result)
        whole: Any = found if found.shape == expected else np.broadcast_to(found, expected)
        arguments = [*self._arrays, *([] if shape is None else ["vector"])]
        code = self._code(name, recording, {name: whole.node}, arguments)
        self.costs[name] = sum((node.cost for node in whole.recording.nodes), Cost())
        return code

    def _code(
        self, name: str, recording: Recording, results: dict[str, Node], arguments: list[str]
    ) -> Callable[..., Any]:
        ends = list(results.values())
        nodes = needed(recording.nodes, ends, everything_counted=False)
        title = f"{name} of {short_name(self._network)} at x of shape {self.shape}."
        written = gradient_source(GradientTrace(nodes, results, arguments), title, name, takes_out=False)
        self.sources[name] = written.source
        if self.engine == "numpy":
            return written.made()
        made: list[Callable[..., Any]] = []

        def call(*arrays: Any) -> Any:
            if not made:  # compilers take their time: what is never asked for is never compiled
                module, once = engine_module(self.engine), fixed_nodes(nodes)
                own = module.made(Work(nodes, arguments, ends, once))
                fused = own or gradient_source(
                    GradientTrace(module.rewritten(nodes, ends, once), results, arguments),
                    title,
                    name,
                    takes_out=False,
                )
                made.append(own or fused.made())
            return made[0](*arrays)

        return call

    def at(self, x: Any) -> ProductsAt:
        """Return the products at x: what depends on x is computed and kept.

        Parameters
        ----------
        x : array_like
            Of the shape that was compiled for.

        Raises
        ------
        TypeError, ValueError
            If x is refused.
        """
        own = self._own(x)
        point = x if own else real_array(x, "x", foreign="refuse").astype(self.dtype, copy=False)
        if point.shape != self.shape:
            raise ValueError(
                f"x: found shape {point.shape}, expected {self.shape}, the shape that was compiled for; "
                f"compile again with shape={point.shape}"
            )
        if not own:
            self._network.check_values(point)
        return ProductsAt(self, dict(zip(self._arrays, self._values(point), strict=True)))

    def __reduce__(self) -> Any:
        # compiled again: code that is run is never read from a pickle
        return _restored, (self._network, self.wrt, self.shape, self._batched, self.dtype.name, self._engine)

    def __repr__(self) -> str:
        m, n = self.spec.shape
        by = self.wrt if isinstance(self.wrt, str) else ", ".join(self.wrt)
        where = engine_text("arrays", self.engine, self._candidates)
        return f"<CompiledProducts with ∂/∂({by}): x {self.shape}, {m}×{n}, {where}>"


def _pulled(jacobian: Jacobian, u: Any, ledger: Ledger) -> Any:
    """Return Σ_p J_pᵀ u_p."""
    return jacobian._pull(ledger.add_points(u, jacobian.spec.batch), ledger)


def _restored(
    network: Function, wrt: Any, shape: Any, batched: bool, dtype: str, engine: Engine
) -> CompiledProducts:
    return CompiledProducts(network, wrt, shape, batched, np.dtype(dtype), engine)


def compile_products(
    network: Function,
    wrt: str | Sequence[str] | None = None,
    *,
    batched: bool = False,
    shape: tuple[int, ...] | None = None,
    dtype: Any = np.float64,
    engine: Engine = "numpy",
) -> CompiledProducts:
    """Return products with a network's Jacobian as fast functions: J v, Jᵀu, norms of rows, and the dense form.

    The structures' own formulas are recorded and written down as straight-line code: once for what depends on x, and
    once for each product.

    Parameters
    ----------
    network : Function
        Its parameters are copied: compile again after an update.
    wrt : str or sequence of str, optional
        "input", a parameter or several; all parameters by default.
    batched : bool
        Whether the first axis of x counts points.
    shape : tuple of int, optional
        The shape of x, points included; by default that of the vectors which a first affine layer takes.
    dtype : dtype
        float64 or float32.
    engine : {"numpy", "numba", "jax", "auto"}
        What runs the code, as in :func:`compile`.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    ImportError
        If the engine's library is not installed.
    RecordingError
        If a layer of one's own does what straight-line code can't.

    Examples
    --------
    >>> from backprop import MLP
    >>> net = MLP.initialize([2, 3, 1], loss="squared-error", seed=0)
    >>> products = compile_products(net)
    >>> at = products.at([0.5, -1.0])
    >>> J = net.jacobian([0.5, -1.0], list(net.parameters))
    >>> np.allclose(at.matvec(np.ones(13)), J.matvec(np.ones(13)))
    True
    >>> at.dense().shape, at.row_norms().shape
    ((1, 13), (1,))
    """
    if not isinstance(network, Function):
        raise TypeError(f"network: found {shown(network)}, expected a Function such as an MLP")
    if wrt is None and not network.parameters:
        raise ValueError(f"wrt: found None for {network!r} without parameters, expected 'input'")
    names: Any = tuple(network.parameters) if wrt is None else wrt
    return CompiledProducts(with_own_parameters(network), names, shape, batched, dtype, engine)
