"""The Jacobians of plain NumPy code, and of plans on graphs, as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray  # looking it up in np is a few percent of a small call

from backprop.compiling.answers import parts_of_out, shares_memory
from backprop.compiling.arguments import check_out, check_steady, short_array
from backprop.compiling.engines import (
    Engine,
    Work,
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
from backprop.compiling.numpy_functions import GraphTrace
from backprop.compiling.points import by_columns, one_by_one
from backprop.compiling.scalar_form import is_small, scalar_form
from jacobians.equality import ByValue
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors

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
        "arrays" for NumPy code, "scalars" for code entry by entry, "loops" for an engine's loops over entries.
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
        self._results, self._takes_out = made.returned, False
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
                self.source, self.form = call.source, call.form
        elif batched or form == "scalars" or (form == "auto" and is_small(made)):
            self._take_scalars(made, title, arrays)
        self._takes_out = self._call is arrays
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
        kinds, call = list(self._kinds.values()), self._call
        self._short: Any = None
        # what writes into arrays without any look at them; of several results at a point it takes one for all
        self._entry: Any = getattr(call, "into", None) if self._batched or len(self._results) == 1 else None
        if len(kinds) == len(self._results) == 1 and (kinds[0].shape or not self._batched):
            one = None if self._batched else getattr(call, "one", None)
            self._short = one or (lambda x: call(x)[0])
            self._dtype, self._shape, self._lead = kinds[0].dtype, kinds[0].shape, int(self._batched)

    def __call__(self, *points: Any, out: Any = None, **named: Any) -> Any:
        """Return the Jacobians at a point, or at all of some.

        Parameters
        ----------
        *points, **named : array_like
            The arguments, by position or by name.
        out : numpy.ndarray, or tuples of them, optional
            Where the answer goes, in the form that it has without: it spares the allocation of a large one. An
            argument of the code that has this name is called ``out_``.

        Raises
        ------
        TypeError, ValueError
            If an argument is missing, not known, or of another shape than was compiled for, or out is refused.

        Examples
        --------
        >>> import backprop
        >>> jacobian = backprop.compile(np.sin, np.zeros(2))
        >>> out = np.empty((2, 2))
        >>> jacobian(np.zeros(2), out=out) is out, out.tolist()
        (True, [[1.0, 0.0], [0.0, 1.0]])
        """
        # the code has the error state of these packages: the usual way needs none around it
        if self._short is not None and len(points) == 1 and not named:
            x = points[0]
            known = type(x) is ndarray or self._own(x)
            if known and x.dtype is self._dtype and x.shape[self._lead :] == self._shape:
                if out is None:
                    return self._short(x)
                return self._written([x], out)
        return self._at(points, named, out)

    @without_float_errors
    def _at(self, points: Sequence[Any], named: Mapping[str, Any], out: Any) -> Any:
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
            return self._others[dtypes]._at(arrays, {}, out)
        self._check_points(arrays)
        return self._nested(self._call(*arrays)) if out is None else self._written(arrays, out)

    def _check_points(self, arrays: Sequence[Array]) -> None:
        if self._batched and len({len(array) for array in arrays}) > 1:
            counts = ", ".join(
                f"{len(array)} in {name}" for name, array in zip(self.arguments, arrays, strict=True)
            )
            raise ValueError(f"points: found {counts}, expected the same number of points in every argument")

    def _nested(self, found: Sequence[Any]) -> Any:
        """Return the Jacobians in tuples of outputs and of arguments, where there are several."""
        inputs = len(self.plan.graph.inputs)
        answers = [tuple(found[k : k + inputs]) for k in range(0, len(found), inputs)]
        plain = [row[0] if inputs == 1 else row for row in answers]
        return plain[0] if len(plain) == 1 else tuple(plain)

    # --- into arrays -----------------------------------------------------------------------------------

    def _expected(self, arrays: Sequence[Array]) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return shape and dtype of each result."""
        lead = (len(arrays[0]),) if self._batched else ()
        return [((*lead, *node.shape), node.dtype) for node in self._results]

    def _parts(self, out: Any) -> list[tuple[str, Any]]:
        graph = self.plan.graph
        return parts_of_out(out, len(graph.outputs), len(graph.inputs))

    def _written(self, arrays: list[Any], out: Any) -> Any:
        """Write the Jacobians at known arguments into `out`, and return it."""
        if any(type(array) is not ndarray for array in arrays):
            raise ValueError("out: found it beside an array of another library, expected no out")
        parts = self._parts(out)
        apart, plain = True, True
        for place, ((name, part), (shape, dtype)) in enumerate(
            zip(parts, self._expected(arrays), strict=True)
        ):
            check_out(part, shape, dtype, name)
            others = [*arrays, *(other for _, other in parts[:place])]
            apart, plain = apart and not shares_memory(part, others), plain and part.flags.carray
        given = [part for _, part in parts]
        if apart and plain and self._entry is not None:
            self._entry(*arrays, *given)
            return out
        found = self._call(*arrays, out=tuple(given)) if apart and self._takes_out else self._call(*arrays)
        for part, result in zip(given, found, strict=True):
            if part is not result:
                np.copyto(part, result)
        return out

    def into(self, *arrays: Any) -> Callable[[], Any]:
        """Return a function without arguments that writes the Jacobians at what the arguments hold then into arrays.

        All are looked at here, once: their shapes, and whether they can be written to, have to stay what they are.

        Parameters
        ----------
        *arrays : numpy.ndarray
            The arguments in order, of the shapes and precision that were compiled for, and last what takes the
            answer: a writeable C-contiguous array, or tuples of them in the form of an answer.

        Raises
        ------
        TypeError, ValueError
            If one is refused.

        Examples
        --------
        >>> import backprop
        >>> x, out = np.zeros(2), np.empty((2, 2))
        >>> write = backprop.compile(np.sin, x).into(x, out)
        >>> x += np.pi
        >>> _ = write()
        >>> out.diagonal().tolist()
        [-1.0, -1.0]
        """
        if len(arrays) != len(self.arguments) + 1:
            raise TypeError(f"into: found {len(arrays)} arrays, expected {', '.join(self.arguments)}, out")
        *points, out = arrays
        for (name, node), x in zip(self._kinds.items(), points, strict=True):
            if type(x) is not ndarray or x.dtype != node.dtype or not self._fits(x, node.shape):
                expected = f"shape {self._shape_text(node.shape)} and dtype {node.dtype}"
                raise ValueError(
                    f"{name}: found {short_array(x)}, expected an array of {expected}, which is read at each call; "
                    f"make it by np.asarray({name}, np.{node.dtype})"
                )
        self._check_points(points)
        parts = self._parts(out)
        for place, ((name, part), (shape, dtype)) in enumerate(
            zip(parts, self._expected(points), strict=True)
        ):
            check_steady(part, shape, dtype, [*points, *(other for _, other in parts[:place])], name)
        if self._entry is not None:
            return partial(self._entry, *points, *(part for _, part in parts))
        return partial(self._written, points, out)

    def _door(self, value: Any, name: str) -> Array:
        node = self._kinds[name]
        if (type(value) is ndarray and value.dtype == node.dtype and self._fits(value, node.shape)) or (
            self._own(value) and self._fits(value, node.shape)
        ):
            return value
        indices = node.dtype.kind == "i"  # of an edge
        array = np.asarray(value) if indices else real_array(value, name, foreign="refuse")
        if not self._fits(array, node.shape):
            expected = self._shape_text(node.shape)
            raise ValueError(
                f"{name}: found shape {array.shape}, expected {expected}, the shape that was compiled for; compile "
                "again for another one"
            )
        return array

    def _fits(self, array: Any, shape: tuple[int, ...]) -> bool:
        lead = int(self._batched)
        return len(array.shape) == len(shape) + lead and tuple(array.shape[lead:]) == shape

    def _shape_text(self, shape: tuple[int, ...]) -> str:
        return f"({', '.join(['points', *map(str, shape)])})" if self._batched else f"{shape}"

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
