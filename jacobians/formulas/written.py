"""Arrays with letters for sizes: NumPy code that runs on them writes a formula's tree.

Each size is a letter or one still to be found (`Size`), and an array is its tree with its axes. What a function of
NumPy writes is the column `formula` of its row in the table of operations (`numpy_operations`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NoReturn

import numpy
from numpy.lib.mixins import NDArrayOperatorsMixin

from jacobians.formulas.size_sums import is_sum, linear, plus, size_of
from jacobians.formulas.sizes import Unknown
from jacobians.formulas.tree import FormulaError, Node, call, mul, negated, num, transposed
from jacobians.graph.operations import TABLE

np: Any = numpy  # whose functions give written arrays here

FIRST_LENGTH = 211
MOST_LITERAL = 64
"""Lengths up to here are numbers of the code's own; sizes with letters are given primes from FIRST_LENGTH on, so that
an array that NumPy made of them shows which they were."""


def refused(what: str, expected: str) -> FormulaError:
    """Return the refusal of code that can't be written as a formula."""
    return FormulaError(f"formula: found {what} in the code, expected {expected}")


UNROWED: dict[Any, Callable[..., Any]] = {}
"""What functions write that the graphs of `jacobians.trace` take as constant or decided at a point; and "indexing"."""


class Size(NDArrayOperatorsMixin):
    """A size with letters: an index for numpy.eye, ones and reshape, a number in formulas.

    Parameters
    ----------
    atoms : tuple
        Letters, numbers and unknown sizes, of which it is the product.
    length : int
        A number that stands for it while NumPy makes arrays.
    """

    __array_priority__ = 2000.0

    def __init__(self, atoms: tuple[Any, ...], length: int) -> None:
        self.atoms, self.length = atoms, length

    def __index__(self) -> int:
        return self.length

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            return Size((*self.atoms, *other.atoms), self.length * other.length)
        if type(other) is int and 0 < other <= MOST_LITERAL:
            return Size((*self.atoms, *((other,) if other > 1 else ())), self.length * other)
        return np.multiply(self, other)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        return np.add(self, other) if (made := _summed(self, other, 1)) is None else made

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return np.subtract(self, other) if (made := _summed(self, other, -1)) is None else made

    def __eq__(self, other: Any) -> Any:
        return isinstance(other, Size) and self.atoms == other.atoms

    def __ne__(self, other: Any) -> Any:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.atoms)

    def __bool__(self) -> bool:
        return True

    def __float__(self) -> float:
        raise refused("float of a size with letters", "the size itself, as in x.sum() / n or np.sqrt(n)")

    __int__ = __float__

    def _compared(self, other: Any, larger: bool) -> bool:
        if type(other) is not int or abs(other) > 1:  # 0 and 1: a size with letters is larger
            raise refused("a comparison of sizes with letters", "code that is the same for all sizes")
        return larger

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, False)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, True)

    __le__, __ge__ = __lt__, __gt__

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return applied(ufunc, method, inputs, kwargs)


Axis = Any  # the number 1 or another, or a Size


class Written(NDArrayOperatorsMixin):
    """An array as a tree: one axis is a column, two are rows and columns.

    Parameters
    ----------
    node : Node
        What it is.
    shape : tuple
        Its axes: numbers and sizes.
    """

    __array_priority__ = 3000.0

    def __init__(self, node: Node, shape: Sequence[Axis]) -> None:
        if len(shape) > 2:
            raise refused(f"an array of {len(shape)} axes", "arrays of at most two axes")
        self.node, self.shape = node, tuple(shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Any:
        """The number of entries."""
        return math.prod(self.shape, start=1)

    @property
    def T(self) -> Written:
        """The transpose."""
        return Written(transposed(self.node), self.shape[::-1]) if self.ndim == 2 else self

    mT = T  # noqa: N815  # NumPy's name

    def __len__(self) -> int:
        raise refused("len of an array with letters for sizes", "x.shape[0]")

    def __iter__(self) -> Any:
        raise refused("a loop over an array with letters for sizes", "code for whole arrays")

    def __bool__(self) -> bool:
        raise refused("a branch on values", "numpy.where")

    def _number(self) -> NoReturn:
        raise refused("a conversion to a number", "code that computes with the array itself")

    __float__ = __int__ = __complex__ = _number

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise refused("a function that makes arrays of its operands", "functions of NumPy and scipy.special")

    def __getitem__(self, index: Any) -> Any:
        return UNROWED["indexing"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise refused("a write into an array", "numpy.where, numpy.concatenate or numpy.stack")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return applied(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return written_call(function, args, kwargs)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """Return the array in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes in another order."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self, order: str = "C") -> Any:
        """Return the array with one axis."""
        return np.ravel(self, order=order)

    def astype(self, *_: Any, **__: Any) -> Written:
        """Return the array: numbers of formulas have no dtype."""
        return self

    def item(self) -> Written:
        """Return the array as a number."""
        return Written(self.node, ())

    def copy(self) -> Written:
        """Return the array."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        function = getattr(np, name, None)
        if function is None:
            raise refused(f"the method {name}", "functions of NumPy and scipy.special")
        return lambda *args, **options: function(self, *args, **options)


# --- calls -------------------------------------------------------------------------------------------------------


def applied(ufunc: Any, method: str, inputs: Any, kwargs: Any) -> Any:
    """Return a ufunc of written arrays."""
    reductions = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min}
    if method == "reduce" and ufunc in reductions:
        return written_call(reductions[ufunc], inputs[:1], {"axis": kwargs.get("axis", 0)})
    if method == "outer" and len(inputs) == 2 and ufunc is np.multiply:
        return written_call(np.outer, inputs, {})
    if method != "__call__" or kwargs.get("out") is not None:
        raise refused(f"{ufunc.__name__}.{method}", "functions without out=")
    return written_call(ufunc, inputs, kwargs)


def written_call(function: Any, args: Any, kwargs: Any) -> Any:
    """Return what a function of NumPy writes, as its row in the table of operations says."""
    row = TABLE.get(function)
    name = row.name if row is not None else f"{function.__module__}.{function.__name__}"
    formula = row.formula if row is not None else UNROWED.get(function)
    if formula is None:
        raise refused(
            name, "functions that have a closed form here; write it with others, or add a row's formula"
        )
    try:
        return formula(*args, **kwargs)
    except TypeError as error:
        if not str(error).startswith(("_", "<lambda>", "formula")) and "argument" not in str(error):
            raise
        options = ", ".join(kwargs) or f"{len(args)} arguments"
        raise refused(f"{name} with {options}", "options that have a closed form here") from error


def written(value: Any) -> Written:
    """Return a number or an array as a written one: numbers, 𝟏, 0 and I of a size, lists of such.

    Raises
    ------
    FormulaError
        If it is an array of other numbers.
    """
    if isinstance(value, Written):
        return value
    if isinstance(value, Size):
        return Written(size_node(value.atoms), ())
    if isinstance(value, bool | int | np.integer):
        return Written(num(int(value)), ())
    if isinstance(value, float | np.floating):
        return Written(number_node(float(value)), ())
    if isinstance(value, list | tuple):
        return np.stack([written(item) for item in value])
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim <= 2:
        return _constant(value)
    raise refused(f"an object of type {type(value).__name__}", "arrays and numbers")


def _constant(value: Any) -> Written:
    if value.ndim == 0:
        return written(value.item())
    shape = tuple(length_size(n) for n in value.shape)
    first = value.flat[0]
    if value.size and (value == first).all():
        return Written(mul(number_node(float(first)), ones(shape)), shape)
    if (
        value.ndim == 2
        and value.shape[0] == value.shape[1]
        and (value == value[0, 0] * np.eye(len(value))).all()
    ):
        eye = Node("eye", value=atoms_of(shape[0]))
        return Written(mul(number_node(float(value[0, 0])), eye), shape)
    if max(value.shape) <= 8:
        return np.stack([written(item) for item in value])
    raise refused(f"an array of numbers of shape {value.shape}", "it as an argument with a name of its own")


class Lengths:
    """The lengths that stand for sizes of one run."""

    known: dict[int, tuple[Any, ...]] = {}  # noqa: RUF012  # of the run, replaced for each
    sums: dict[int, tuple[Any, ...]] = {}  # noqa: RUF012  # and those of sums


def length_size(length: int) -> Any:
    """Return the size that a length stands for."""
    if length <= MOST_LITERAL:
        return int(length)
    if length in Lengths.sums:
        return Size(Lengths.sums[length], int(length))
    atoms: list[Any] = []
    rest = int(length)
    for prime, own in Lengths.known.items():
        while rest % prime == 0:
            rest //= prime
            atoms += own
    if rest > MOST_LITERAL:
        raise refused(
            f"an array of {length} entries that is no product of sizes",
            "sizes from x.shape and products of them",
        )
    return Size((*atoms, *((rest,) if rest > 1 else ())), int(length))


def sum_size(size: tuple[Any, ...]) -> Any:
    """Return a size that is a sum, with the length that goes with its letters."""
    if all(isinstance(atom, int) for atom in size):
        return math.prod(size)
    lengths = {atoms[0]: length for length, atoms in Lengths.known.items()}

    def number(atoms: Iterable[Any]) -> int:
        return math.prod(a if isinstance(a, int) else lengths[a] for a in atoms)

    found = sum(count * number(letters) for letters, count in linear(size).items())
    Lengths.sums.setdefault(found, size)
    return Size(size, found)


def _summed(size: Size, other: Any, sign: int) -> Any:
    """Return size ± other as a size, or None where it is none: other numbers, and what may be below 1."""
    if not isinstance(other, Size) and type(other) is not int:
        return None
    own = linear(other.atoms if isinstance(other, Size) else (other,))
    total = plus(linear(size.atoms), own, sign)
    sums = not set(total) <= {()} and any(count > 0 for letters, count in total.items() if letters)
    return sum_size(size_of(total)) if sums else None


def atoms_of(size: Axis) -> tuple[Any, ...]:
    """Return a size as atoms."""
    return size.atoms if isinstance(size, Size) else () if size == 1 else (int(size),)


def size_node(atoms: tuple[Any, ...]) -> Node:
    """Return a size as a number."""
    factors = [_sum_node(atom) if is_sum(atom) else Node("size", value=(atom,)) for atom in atoms]
    return mul(*factors) if any(map(is_sum, atoms)) else Node("size", value=atoms)


def _sum_node(atom: Any) -> Node:
    terms = [mul(num(count), Node("size", value=letters)) if letters else num(count)
             for letters, count in linear((atom,)).items()]  # fmt: skip
    return Node("add", tuple(terms))


def ones(shape: Sequence[Axis]) -> Node:
    """Return 𝟏 of a shape."""
    if len(shape) == 2:
        return mul(*(
            transposed(Node("ones", value=atoms_of(size))) if place else Node("ones", value=atoms_of(size))
            for place, size in enumerate(shape) if size != 1
        ))  # fmt: skip
    return Node("ones", value=atoms_of(shape[0])) if shape else num(1)


_ROOTS = ((2, 1), (1, 2), (3, 1), (1, 3), (1, 1))


def number_node(value: float) -> Node:
    """Return a float as a formula writes it: fractions, multiples of π and of roots as such."""
    if not math.isfinite(value):
        raise refused("a number that is not finite", "finite numbers")
    for unit, made in ((1.0, None), (math.pi, Node("name", value="pi"))):
        found = Fraction(value / unit).limit_denominator(1000)
        if found and abs(float(found) * unit - value) <= 4e-16 * abs(value):
            return num(found) if made is None else mul(num(found), made)
    if value == 0:
        return num(0)
    for unit, made in ((1.0, None), (math.pi, Node("name", value="pi")), (1 / math.pi, None)):
        found = Fraction(value * value / unit).limit_denominator(100)
        if found and math.isclose(math.sqrt(float(found) * unit), abs(value), rel_tol=4e-16):
            inner = num(found) if unit == 1.0 else mul(num(found), made) if made is not None else Node(
                "div", (num(found), Node("name", value="pi")))  # fmt: skip
            root = call("sqrt", inner)
            return negated(root) if value < 0 else root
    for base in (2, 10):
        found = Fraction(value / math.log(base)).limit_denominator(100)
        if found and math.isclose(float(found) * math.log(base), value, rel_tol=4e-16):
            return mul(num(found), call("log", num(base)))
    return num(Fraction(repr(value)))


def unknown_size(place: int, atom: Any = None) -> Size:
    """Return the size of an argument's axis, with a length that no other has."""
    length = FIRST_LENGTH
    for _ in range(place):
        length = next(n for n in range(length + 1, 10**6) if all(n % d for d in range(2, int(n**0.5) + 1)))
    made = Size((Unknown() if atom is None else atom,), length)
    Lengths.known[length] = made.atoms
    return made
