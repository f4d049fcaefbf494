"""The base class of everything that can be differentiated here: value, Jacobian by input and by parameter.

An author writes two methods, :meth:`Function.forward` and :meth:`Function.derivative`. Doors (dtype and
shape checks), batches, linearisation, blocks of parameters and verification come from the base class.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from jacobians.drawn import Drawn, linearization_html
from jacobians.equality import by_value
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_flag, checked_mapping, checked_names, checked_option
from jacobians.numerics.arrays import Array, private, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import is_foreign, kind_name, namespace_of, require_numpy
from jacobians.pickling import Pickled, shallow
from jacobians.planning.bracketing import product
from jacobians.structures import BlockRow, Jacobian, stack
from jacobians.written import INPUT as INPUT
from jacobians.written import Written, is_floats

if TYPE_CHECKING:
    from jacobians.layers.recording import Record


def plain(value: Any) -> Array:
    """Return a value as an array; one of another library as it is."""
    return value if type(value) is np.ndarray or is_foreign(value) else np.asarray(value)


@by_value
class Linearization(NamedTuple):
    """A function at a point: its value, every value on the way, and one structured Jacobian a layer.

    Attributes
    ----------
    values : tuple of numpy.ndarray
        The input, the output of each layer, the output of the last: one more than there are layers.
    jacobians : tuple of Jacobian
        One a layer, input side first: ``jacobians[i]`` is ∂values[i+1]/∂values[i].

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import Affine, Sequential, Tanh
    >>> net = Sequential(Affine(np.eye(2), np.zeros(2)), Tanh())
    >>> [J.structure for J in net.linearize([0.0, 1.0]).jacobians]
    ['Dense', 'Diagonal']
    """

    values: tuple[Array, ...]
    jacobians: tuple[Jacobian, ...]

    @property
    def value(self) -> Array:
        """The value of the function at the point."""
        return self.values[-1]

    @property
    def chain(self) -> tuple[Jacobian, ...]:
        """The Jacobians output side first, as the chain rule is written: DF_L · … · DF_1."""
        return self.jacobians[::-1]

    def _repr_html_(self) -> str:
        return linearization_html(self.values, self.jacobians)


class Function(Pickled, Written, Drawn):
    """A differentiable function of one array, with named parameters.

    A subclass writes the two abstract methods, for one point; points of a batch are then taken one by one. One
    whose formulas hold for leading batch axes says ``vectorized = True`` and gives both methods one more
    argument, ``batch_ndim=0``, the number of these axes.

    Attributes
    ----------
    parameter_names : tuple of str
        The names of the attributes that hold parameters; one that is None is absent.
    vectorized : bool
        True when `forward` and `derivative` take leading batch axes themselves.
    array_api : bool
        True when both use the functions of ``namespace_of(x)`` that the Python array API standard has, so that they
        take arrays of other libraries; those of a function that does not say so are refused.
    instead : str
        What to take in its place where its derivative is infinite.

    Examples
    --------
    A layer of one's own, y = a·x³ entry by entry, with its derivatives by x and by a:

    >>> import numpy as np
    >>> from jacobians import Function
    >>> from jacobians.structures import Dense, Diagonal
    >>> class Cubic(Function):
    ...     parameter_names = ("a",)
    ...     def __init__(self, a):
    ...         self.a = self.parameter(a, "a", ndim=0)
    ...     def forward(self, x):
    ...         return self.a * x**3
    ...     def derivative(self, x, wrt="input"):
    ...         if wrt == "a":
    ...             return Dense(x[:, None] ** 3, in_shape=())
    ...         return Diagonal(3 * self.a * x**2)
    >>> layer = Cubic(2.0)
    >>> layer.jacobian([1.0, 2.0]).dense()
    array([[ 6.,  0.],
           [ 0., 24.]])
    >>> layer.jacobian([1.0, 2.0], wrt="a").dense()
    array([[1.],
           [8.]])
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
    instead: str = ""
    vectorized: ClassVar[bool] = False
    array_api: bool = False
    _takes_value: ClassVar[bool] = False
    __array_ufunc__ = None  # array == f is one answer, and ours

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # a method that overrides another is asked for itself
        code = getattr(cls.derivative, "__code__", None)
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ()
        cls._takes_value = "value" in arguments
        # shapes of derivatives are tested here; those of others are looked at, which takes a forward pass
        cls._ours = cls.__module__.partition(".")[0] in ("jacobians", "backprop")

    # --- what an author writes -------------------------------------------------------------------------

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """Return the value at one point, in plain NumPy: the symbolic witness runs it on symbols.

        Parameters
        ----------
        x : array of any scalar type
            One point (with leading batch axes for a vectorized function). Not to be written to.
        """

    @abstractmethod
    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian | Sequence[Jacobian]:
        """Return the Jacobian at one point by the input or by one parameter, or its factors, output side first.

        Parameters
        ----------
        x : numpy.ndarray
            One point (with leading batch axes for a vectorized function). Not to be written to.
        wrt : str
            "input" or one of the names of :attr:`parameters`; checked before.

        Notes
        -----
        A method with one more argument ``value=None`` is given f(x) there where it is at hand.
        """

    def smooth_piece(self, x: Any) -> Array | None:
        """Return integers that say on which smooth piece of the function `x` lies, None if it is smooth.

        Points between which these integers change have a kink between them; a point that lies on a kink
        has integers of its own. Verification asks for them to tell a wrong derivative from a kink.
        """
        return None

    # --- what everybody uses ---------------------------------------------------------------------------

    @without_float_errors
    def __call__(self, x: Any, *, batched: bool = False) -> Array:
        """Return f(x); with ``batched=True`` the first axis of x counts points.

        Raises
        ------
        TypeError, ValueError
            If x is not a real array of the shape that this function takes.
        """
        point = self._door(x, batched)
        return plain(self._forward(point, int(batched)))

    @without_float_errors
    def jacobian(self, x: Any, wrt: str | Sequence[str] = INPUT, *, batched: bool = False) -> Jacobian:
        """Return the structured Jacobian at x (numerator layout: outputs × inputs, row-major vec).

        Parameters
        ----------
        x : array_like
            The point, or with ``batched=True`` the points along the first axis.
        wrt : str or sequence of str
            "input", the name of a parameter, or several names: then a block row, a block a name.
        batched : bool
            Batches are asked for, never guessed from a shape.

        Raises
        ------
        TypeError, ValueError
            If x is refused, or `wrt` names no parameter of this function.
        """
        point = self._door(x, batched)
        with np.errstate(invalid="ignore"):  # 0·∞ in a product is NaN; compositions name it
            if isinstance(wrt, str):
                return self._jacobian(point, self._known(wrt), int(batched))
            return BlockRow.unchecked(self._jacobians_by(point, self._names(wrt), int(batched)))

    @without_float_errors
    def linearize(self, x: Any, *, batched: bool = False) -> Linearization:
        """Return the value at x, every intermediate value, and one structured Jacobian a layer."""
        point = self._door(x, batched)
        return self._linearize(point, int(batched))

    @without_float_errors
    def chain(self, x: Any, wrt: str = INPUT, *, batched: bool = False) -> tuple[Jacobian, ...]:
        """Return the factors of the Jacobian at x, output side first, not multiplied: DF_L, …, DF_1.

        Parameters and errors as in :meth:`jacobian`, for one name.
        """
        point = self._door(x, batched)
        return tuple(self._chain(point, self._known(wrt), int(batched)))

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, read-only."""
        present = ((name, getattr(self, name)) for name in self.parameter_names)
        return {name: value for name, value in present if value is not None}

    @property
    def parameter_count(self) -> int:
        """The number of scalar parameters."""
        return sum(math.prod(np.shape(value)) for value in self.parameters.values())

    def replace(self, parameters: Mapping[str, Any]) -> Self:
        """Return this function with some parameters replaced, each by one of the same shape.

        Raises
        ------
        ValueError
            If a name is unknown or a shape differs.
        """
        present = self.parameters
        arrays = {}
        for name, value in checked_mapping(
            parameters, "parameters", "arrays by name, such as {'W': …}"
        ).items():
            self._known(name, inputs=False)
            array = real_array(value, name, foreign="keep")
            if array.shape != present[name].shape:
                raise ValueError(
                    f"{name}: found shape {array.shape}, expected {present[name].shape}, the shape that it replaces"
                )
            arrays[name] = private(array)
        return self.bind(arrays)

    # --- below the doors: any scalar type --------------------------------------------------------------

    def bind(self, parameters: Mapping[str, Any]) -> Self:
        """Return a copy that holds `parameters` unchecked, of any scalar type (symbols, balls, …)."""
        bound = shallow(self)
        for name, value in checked_mapping(parameters, "parameters", "arrays by name").items():
            setattr(bound, checked_option(name, "parameters", self.parameters), value)
        return bound

    @staticmethod
    def parameter(value: Any, name: str, *, ndim: int | tuple[int, ...] | None = None) -> Array:
        """Return a private read-only copy of a parameter, checked at the door; for constructors."""
        return private(real_array(value, name, ndim=ndim, foreign="keep"))

    def check_input(self, shape: tuple[int, ...]) -> None:  # by default any shape is taken
        """Raise ValueError if a point of `shape` is not one that this function takes; for authors."""

    @property
    def has_domain(self) -> bool:
        """Whether some numbers are refused: then :meth:`check_values` has to look at x."""
        return type(self).check_values is not Function.check_values

    def check_values(self, x: Array) -> None:  # by default every real number is taken
        """Raise ValueError if numbers in x are outside the domain; for authors.

        Called at the doors only, with all points of a batch; below them (inside a composition, on symbols) the
        formulas give NaN or ∞ in that case. NaN is to be let in: NaN in, NaN out.
        """

    def check_library(self, x: Any) -> None:
        """Raise TypeError unless this function computes with arrays of the library that x belongs to."""
        own = type(x) is np.ndarray
        if not own and not self.array_api:
            require_numpy(x, "x", f"{class_name(self)} computes with NumPy's functions")
        for name in self.parameter_names:
            value = getattr(self, name)
            if value is None or (own and type(value) is np.ndarray):
                continue
            if namespace_of(value) is not namespace_of(x):
                raise TypeError(
                    f"x: found {kind_name(x)}, expected {kind_name(value)} like {name} of {class_name(self)}; "
                    f"convert x, or make the function of parameters of the library of x"
                )

    def _door(self, x: Any, batched: bool) -> Array:
        checked_flag(batched, "batched")
        point = real_array(x, "x", foreign="keep")
        self.check_library(point)
        if batched and point.ndim == 0:
            raise ValueError("x: found a scalar with batched=True, expected points along a first axis")
        self.check_input(tuple(point.shape[int(batched) :]))
        self.check_values(point)
        # what is returned must not change with the caller's array
        shared = point.base is x if type(x) is np.ndarray else is_foreign(point)
        return private(point) if shared or np.may_share_memory(point, x) else point

    def _known(self, name: str, *, inputs: bool = True) -> str:
        if inputs and isinstance(name, str) and name == INPUT:
            return name
        known = ([INPUT] if inputs else []) + list(self.parameters)
        return checked_option(name, "wrt" if inputs else "parameters", known)

    def _names(self, wrt: Any) -> list[str]:
        names = checked_names(wrt, "wrt", "'input', the name of a parameter, or a sequence of names")
        known = {INPUT, *self.parameters}
        names = [name if isinstance(name, str) and name in known else self._known(name) for name in names]
        if names:
            return names
        raise ValueError(
            f"wrt: found no name, expected 'input' or names out of {list(self.parameters)} of {self}"
        )

    def _forward(self, x: Any, batch_ndim: int) -> Any:
        if batch_ndim == 0 or self.vectorized:
            forward: Any = self.forward
            try:
                value = forward(x, batch_ndim=batch_ndim) if batch_ndim else forward(x)
            except ValueError:
                again = partial(forward, batch_ndim=batch_ndim) if batch_ndim else forward
                self._require_unwritten(x, "forward", again)
                raise
            return value if is_floats(value) else self._real_value(value, x)
        points = [self._forward(x[place, ...], batch_ndim - 1) for place in range(x.shape[0])]
        return namespace_of(x).stack(points)

    def _jacobian(self, x: Any, wrt: str, batch_ndim: int, value: Any = None) -> Jacobian:
        """Return the Jacobian, a product by its cheapest bracketing; `value` is f(x), where it is at hand."""
        factors = self._derivatives(x, wrt, batch_ndim, value)
        return factors[0] if len(factors) == 1 else product(factors)

    def _chain(self, x: Any, wrt: str, batch_ndim: int, value: Any = None) -> list[Jacobian]:
        """Return the factors of the Jacobian, output side first; `value` is f(x), where it is at hand."""
        return self._derivatives(x, wrt, batch_ndim, value)

    def _derivatives(self, x: Any, wrt: str, batch_ndim: int, value: Any) -> list[Jacobian]:
        """Return what :meth:`derivative` gives, for points of a batch one by one unless it takes them together."""
        if batch_ndim == 0 or self.vectorized:
            known: dict[str, Any] = {"value": value} if self._takes_value and value is not None else {}
            if batch_ndim:
                known["batch_ndim"] = batch_ndim
            try:
                found = self.derivative(x, wrt, **known)
            except ValueError:
                self._require_unwritten(x, "derivative", lambda point: self.derivative(point, wrt, **known))
                raise
            if not batch_ndim and self._ours and isinstance(found, Jacobian):
                return [found]
            factors = self._factors(found, x, wrt, batch_ndim, value)
            batch = tuple(x.shape[:batch_ndim])
            return [f if f.batch_shape == batch else f.broadcast_batch(batch) for f in factors]
        places = range(x.shape[0])
        values = [None if value is None else value[place, ...] for place in places]
        each = [self._derivatives(x[place, ...], wrt, batch_ndim - 1, values[place]) for place in places]
        return [stack(of_points) for of_points in zip(*each, strict=True)]

    def _jacobians_by(self, x: Any, names: Sequence[str], batch_ndim: int) -> list[Jacobian]:
        """Return the Jacobian by each of several names."""
        return [self._jacobian(x, name, batch_ndim) for name in names]

    def _owners(self) -> dict[str, tuple[Function, str]]:
        """Return, for each parameter, the function that holds it and its name there."""
        return {name: (self, name) for name in self.parameters}

    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add the value of this function of another value, and return its place."""
        return record.leaf(self, source, f"{prefix}{class_name(self)}")

    def _linearize(self, x: Any, batch_ndim: int) -> Linearization:
        value = plain(self._forward(x, batch_ndim))
        return Linearization((x, value), (self._jacobian(x, INPUT, batch_ndim, value),))

    def __hash__(self) -> int:
        # training changes numbers, and no shapes
        return hash((type(self), *((name, np.shape(value)) for name, value in self.parameters.items())))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {np.shape(value)}" for name, value in self.parameters.items())
        return f"{class_name(self)}({shapes})"
