"""Chains of Jacobians, output side first as they are written: A·B·C."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from jacobians import Function, Jacobian, Spec
from jacobians.equality import ByValue
from jacobians.formulas import Derivative, FormulaError, derive
from jacobians.layers.recording import Record
from jacobians.markup import html_table
from jacobians.names import class_name, printable
from jacobians.numerics.arguments import checked_flag, checked_option, checked_shape
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.letters import is_symbolic, number_text
from jacobians.planning.dead_units import LiveUnits, live_units
from jacobians.planning.objectives import OBJECTIVES
from jacobians.products.core import edition
from jacobians.structures import Dense

if TYPE_CHECKING:
    from backprop.matrix_free import MatrixFreeChain
    from backprop.network_graph import NetworkGraph
    from backprop.plan import Plan, Strategy


class Chain(ByValue):
    """A product of Jacobians that is not yet multiplied.

    Parameters
    ----------
    factors : sequence of Jacobian or array_like
        Output side first; arrays of two axes or more become :class:`~jacobians.structures.Dense`.
    names : sequence of str, optional
        What plans call the factors; A, B, C, … by default. A name is shown as one line of printable letters.

    Raises
    ------
    TypeError, ValueError
        If there is no factor, one is refused, or neighbours don't fit.

    Examples
    --------
    >>> chain = Chain([np.ones((1, 100)), np.ones((100, 100)), np.ones((100, 100))])
    >>> chain.plan("left").cost
    Cost(multiplications=20000, additions=19800)
    >>> chain.plan("left").execute().jacobian.dense()[0, 0]
    np.float64(10000.0)
    """

    jacobians: tuple[Jacobian, ...] | None
    specs: tuple[Spec, ...]
    names: tuple[str, ...]
    _plans: dict[tuple[object, Strategy, bool, str], Plan]

    def __init__(self, factors: Sequence[Any], *, names: Sequence[str] | None = None) -> None:
        if isinstance(factors, Function):
            raise TypeError(
                f"factors: found the network {class_name(factors)}, expected a list of Jacobians or matrices; the "
                f"chain of a network at a point is Chain.from_network(network, x)"
            )
        if isinstance(factors, np.ndarray | Jacobian) or not isinstance(factors, Iterable):
            raise TypeError(f"factors: found {class_name(factors)}, expected a list of Jacobians or matrices")
        made = []
        for place, factor in enumerate(factors):
            try:
                made.append(factor if isinstance(factor, Jacobian) else Dense(factor))
            except (TypeError, ValueError) as error:
                raise type(error)(f"factors[{place}]: {error}") from None
        self._set(tuple(made), [factor.spec for factor in made], names)

    def _set(
        self, jacobians: tuple[Jacobian, ...] | None, specs: Sequence[Spec], names: Sequence[str] | None
    ) -> None:
        if not specs:
            raise ValueError("factors: found none, expected at least one")
        for place, (left, right) in enumerate(pairwise(specs)):
            if left.shape[1] != right.shape[0]:
                raise ValueError(
                    f"factors[{place}] and factors[{place + 1}]: found shapes {left.shape} and {right.shape}, "
                    f"expected {left.shape[1]} = {right.shape[0]}; the output side comes first"
                )
        if names is None:
            names = default_names(len(specs))
        if (
            isinstance(names, str)
            or not isinstance(names, Sequence)
            or not all(isinstance(n, str) for n in names)
        ):
            raise TypeError(f"names: found {names!r}, expected a list of texts, one for each factor")
        if len(names) != len(specs):
            raise ValueError(f"names: found {len(names)}, expected one for each of {len(specs)} factors")
        self.jacobians, self.specs, self.names = jacobians, tuple(specs), tuple(map(printable, names))
        self._plans = {}

    @classmethod
    def from_specs(cls, specs: Sequence[Spec], *, names: Sequence[str] | None = None) -> Self:
        """Make a chain to plan without any numbers, from specs.

        Raises
        ------
        TypeError, ValueError
            If something is no Spec, or neighbours don't fit.

        Examples
        --------
        >>> chain = Chain.from_specs([Spec.dense(1, 5), Spec.diagonal(5)])
        >>> chain.plan("optimal").cost.multiplications
        5
        """
        specs = _listed(specs, "specs", "Specs")
        for place, spec in enumerate(specs):
            if not isinstance(spec, Spec):
                raise TypeError(f"specs[{place}]: found {class_name(spec)}, expected a Spec")
        chain = cls.__new__(cls)
        chain._set(None, specs, names)
        return chain

    @classmethod
    def from_shapes(cls, shapes: Sequence[Any], *, names: Sequence[str] | None = None) -> Self:
        """Make a chain of dense factors to plan without any numbers, from shapes (outputs, inputs).

        A size may be a sympy symbol that is a positive integer: see :func:`backprop.symbolic_costs`.

        Raises
        ------
        TypeError, ValueError
            If a shape is not a pair of positive integers, or neighbours don't fit.

        Examples
        --------
        >>> Chain.from_shapes([(1, 100), (100, 100), (100, 100)]).plan("right").cost.multiplications
        1010000
        """
        listed = _listed(shapes, "shapes", "shapes (outputs, inputs)")
        expected = "a pair of integers (outputs, inputs)"
        sizes = [
            shape
            if isinstance(shape, tuple | list) and len(shape) == 2 and any(map(is_symbolic, shape))
            else checked_shape(shape, f"shapes[{place}]", axes=2, expected=expected)
            for place, shape in enumerate(listed)
        ]
        specs = [Spec.dense(shape[0], shape[1]) for shape in sizes]
        return cls.from_specs(specs, names=names)

    @classmethod
    def from_formula(
        cls,
        formula: Any,
        by: str,
        *,
        declare: Mapping[str, Any] | None = None,
        vec: str = "row",
        sizes: Mapping[str, int] | None = None,
    ) -> Self:
        """Make the chain that the Jacobian of a formula is, as it is printed, to plan without any numbers.

        Parameters
        ----------
        formula, by, declare
            As for :func:`jacobians.derive`; a derivative of its own may stand for the formula.
        vec : str
            "row" or "column".
        sizes : mapping, optional
            Numbers for the letters; those that are not named stay letters: see :func:`backprop.symbolic_costs`.

        Raises
        ------
        FormulaError
            If the formula is not understood, or its Jacobian is a sum and no chain: see `formula_costs`.

        Examples
        --------
        >>> chain = Chain.from_formula("U*tanh(W*x)", "x", sizes={"m": 10, "n": 100, "p": 50})
        >>> chain.names
        ('U', 'diag(1 − tanh(W·x)∘²)', 'W')
        >>> chain.plan("left").cost.multiplications
        51000
        """
        from jacobians.formulas.specs import chains_of  # formulas only for those who derive

        d = derivative_of(formula, by, declare)
        terms = chains_of(d, vec, sizes)
        if len(terms) != 1:
            raise FormulaError(
                f"formula: found a Jacobian of {len(terms)} terms, {d.matrix(vec)!r}, expected one chain of factors; "
                f"backprop.formula_costs plans the terms as a graph"
            )
        specs, names = [part.spec for part in terms[0]], [part.name for part in terms[0]]
        return cls.from_specs(specs, names=names)

    @classmethod
    def matrix_free(cls, factors: Sequence[Any], *, tape_limit: int | None = None) -> MatrixFreeChain:
        """Make a chain of programs with tangents and adjoints: see :class:`backprop.matrix_free.MatrixFreeChain`."""
        from backprop.matrix_free import MatrixFreeChain  # loaded for such chains alone

        return MatrixFreeChain(factors, tape_limit=tape_limit)

    @classmethod
    @without_float_errors
    def from_network(
        cls,
        network: Function,
        x: Any,
        loss: Function | None = None,
        *,
        by: str = "input",
        batched: bool = False,
    ) -> Self | NetworkGraph:
        """Make the chain of a network at a point: DL·DF_L·…·DF_1, or down to a parameter of a layer.

        Where paths meet, in residuals, sums, products, concatenations and at shared layers, there is no chain: the
        result is a :class:`~backprop.network_graph.NetworkGraph`, which is planned, compared and executed alike.

        Parameters
        ----------
        network : Function
        x : array_like
            The point, or with ``batched=True`` the points along the first axis.
        loss : Function, optional
            A function of the prediction, made for its target, such as ``SquaredError(y)``. Without one the chain
            is that of the prediction.
        by : str
            "input" or the name of a parameter, such as "0.W".
        batched : bool

        Raises
        ------
        TypeError, ValueError
            If x, the loss or `by` is refused.

        Examples
        --------
        >>> from jacobians import Affine, Sequential, SquaredError, Tanh
        >>> net = Sequential(Affine(np.eye(3, 2), np.zeros(3)), Tanh())
        >>> Chain.from_network(net, [1.0, 2.0], SquaredError(np.zeros(3)), by="0.W")
        Chain(SquaredError: Dense 1×3 · 1.Tanh: Diagonal 3×3 · 0.Affine/W: I₃ ⊗ Dense 1×2)
        """
        for name, value in (("network", network), ("loss", loss)):
            if not isinstance(value, Function) and (name == "network" or value is not None):
                raise TypeError(
                    f"{name}: found {class_name(value)}, expected a Function such as SquaredError(y)"
                )
        if type(by) is not str or by != "input":  # listing the parameters takes a tenth of the time
            checked_option(by, "by", ["input", *network.parameters])
        record = Record.of(network, network._door(x, batched), [by], int(batched), loss=loss)
        paths = record.paths()
        if paths is None:
            from backprop.network_graph import NetworkGraph  # loaded for such networks alone

            return NetworkGraph(record.graph())
        names = [record.steps[target].name for target, _ in paths[by]]
        if by != "input":
            names[-1] += f"/{by.rpartition('.')[2]}"
        chain = cls.__new__(cls)
        factors = tuple(factor for _, factor in paths[by])
        chain._set(factors, [factor.spec for factor in factors], names)
        return chain

    @without_float_errors
    def plan(
        self,
        strategy: Strategy = "optimal",
        *,
        dead_units: bool = False,
        objective: str = "multiplications",
    ) -> Plan:
        """Return a plan made from specs alone: see :func:`backprop.plan.make_plan`.

        Parameters
        ----------
        strategy : {"optimal", "left", "right", "reverse", "forward"} or nested pairs of indices
            "left" goes from the output (reverse mode, backpropagation), "right" from the input (forward mode);
            "reverse" and "forward" are the same two.
        dead_units : bool
            Whether units that exact zeros of a diagonal switch off leave the chain before it is planned: see
            :mod:`jacobians.planning.dead_units`. By default the whole chain is planned: its cost hangs on no number. A
            chain made from specs has none, and keeps all of its units.
        objective : {"multiplications", "additions", "flops", "peak"}
            What the optimal bracketing has least of; "peak" is the largest intermediate.

        Raises
        ------
        TypeError, ValueError
            If the strategy or objective is unknown, or `dead_units` is neither True nor False.

        Examples
        --------
        >>> Chain.from_shapes([(1, 2), (2, 3), (3, 4)]).plan("left").bracketing
        '(A·B)·C'
        """
        checked_flag(dead_units, "dead_units")
        # a chain does not change, so that its plans depend on nothing but the tables
        try:
            return self._plans[edition(), strategy, dead_units, objective]
        except (KeyError, TypeError):  # a strategy that can't be looked up is refused below
            pass
        checked_option(objective, "objective", list(OBJECTIVES))
        from backprop.plan import make_plan  # a plan knows its chain

        plan = make_plan(self, strategy, dead_units=dead_units, objective=objective)
        self._plans[edition(), strategy, dead_units, objective] = plan
        return plan

    @cached_property
    def live_units(self) -> LiveUnits | None:
        """The chain without its dead units; None if there are none, or no numbers to tell."""
        return None if self.jacobians is None else live_units(self.jacobians)

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def _compared(self) -> tuple[Any, ...]:
        return self.names, self.specs, self.jacobians

    def __hash__(self) -> int:
        return hash((self.names, self.specs))

    def __getstate__(self) -> dict[str, Any]:
        # plans hold their chain, and are made again when they are asked for
        return {**self.__dict__, "_plans": {}}

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs) of the product."""
        return self.specs[0].shape[0], self.specs[-1].shape[1]

    def _repr_html_(self) -> str:
        rows = [
            [name, spec.structure, f"{spec.shape[0]}×{spec.shape[1]}", number_text(spec.storage)]
            for name, spec in zip(self.names, self.specs, strict=True)
        ]
        return html_table(["factor, output side first", "structure", "shape", "stored"], rows, numeric=(3,))

    def __repr__(self) -> str:
        factors = [f"{name}: {spec.label}" for name, spec in zip(self.names, self.specs, strict=True)]
        if len(factors) > 8:
            factors = [*factors[:4], f"… {len(factors) - 8} more …", *factors[-4:]]
        return f"Chain({' · '.join(factors)})"


def derivative_of(formula: Any, by: str, declare: Mapping[str, Any] | None) -> Derivative:
    """Return a derivative as it is, that of a formula by a variable otherwise."""
    return formula if isinstance(formula, Derivative) else derive(formula, by, declare=declare)


def _listed(values: Any, name: str, what: str) -> list[Any]:
    if isinstance(values, str | np.ndarray) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: found {class_name(values)}, expected a list of {what}, output side first")
    return list(values)


def default_names(count: int) -> list[str]:
    """Return A, B, C, …, or A1, A2, … where the alphabet ends.

    Examples
    --------
    >>> default_names(3), default_names(30)[-1]
    (['A', 'B', 'C'], 'A30')
    """
    if count <= 26:
        return [chr(ord("A") + place) for place in range(count)]
    return [f"A{place + 1}" for place in range(count)]
