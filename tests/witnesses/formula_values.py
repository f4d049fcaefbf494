"""Values of formulas by Python's own parser and NumPy, and derivatives by differences: none of the code under test."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from scipy import linalg, special

MEANING = {"^": "**", ".*": "|HAD|", "./": "|OVER|", ".^": "**DOT**"}


class Entrywise:
    """An exponent that is applied entry by entry."""

    def __init__(self, exponent: Any) -> None:
        self.exponent = exponent


class Dot:
    """The dot of ``.^``."""

    def __pow__(self, exponent: Any) -> Entrywise:
        return Entrywise(exponent)


def plain(value: Any) -> Any:
    return value.a if isinstance(value, M) else np.array([[value]], dtype=float)


class M:
    """A matrix with MATLAB's operators: * is the product, // is ./ and @ is .* (all bind alike in Python)."""

    def __init__(self, a: Any) -> None:
        self.a = np.atleast_2d(a)

    def __add__(self, other):
        return M(self.a + plain(other))

    def __radd__(self, other):
        return M(plain(other) + self.a)

    def __sub__(self, other):
        return M(self.a - plain(other))

    def __rsub__(self, other):
        return M(plain(other) - self.a)

    def __neg__(self):
        return M(-self.a)

    def __mul__(self, other):
        b = plain(other)
        return M(self.a * b if self.a.size == 1 or b.size == 1 else self.a @ b)

    def __rmul__(self, other):
        return M(plain(other) * self.a)

    def __truediv__(self, other):
        return M(self.a / plain(other).item())

    def __rtruediv__(self, other):
        return M(np.array(other / self.a.item()))

    def __matmul__(self, other):
        return M(self.a * plain(other))

    def __rmatmul__(self, other):
        return M(plain(other) * self.a)

    def __floordiv__(self, other):
        return M(self.a / plain(other))

    def __rfloordiv__(self, other):
        return M(plain(other) / self.a)

    def __pow__(self, exponent):
        if isinstance(exponent, Entrywise):
            return M(self.a ** plain(exponent.exponent))
        exponent = plain(exponent).item()
        if self.a.size == 1:
            return M(self.a**exponent)
        return M(np.linalg.matrix_power(self.a, int(exponent)))

    def __rpow__(self, base):
        return M(float(base) ** self.a)

    def __gt__(self, other):
        return M(1.0 * (self.a > plain(other)))

    def __lt__(self, other):
        return M(1.0 * (self.a < plain(other)))

    def __getitem__(self, index):
        rows, columns = index if isinstance(index, tuple) else (index, slice(None))
        rows, columns = (slice(k, k + 1 or None) if isinstance(k, int) else k for k in (rows, columns))
        return M(self.a[rows, columns])

    @property
    def T(self):
        return M(self.a.T)


def commutation(m: int, n: int) -> Any:
    made = np.zeros((m * n, m * n))
    for i in range(m):
        for j in range(n):
            made[i * n + j, j * m + i] = 1
    return M(made)


def entrywise(f: Any) -> Any:
    return lambda z: M(f(plain(z)))


def along(f: Any) -> Any:
    def call(z: Any, axis: Any = None) -> M:
        a = plain(z)
        if axis is None:
            return M(f(a.ravel(), 0).reshape(a.shape) if f in SHAPED else f(a.ravel(), 0))
        made = f(a, axis)
        return M(made if f in SHAPED else np.expand_dims(made, axis))

    return call


def sum_(a, axis):
    return a.sum(axis=axis)


def mean_(a, axis):
    return a.mean(axis=axis)


SHAPED = (special.softmax, special.log_softmax)


def extreme(both: Any, whole: Any, a: Any, b: Any, axis: Any) -> M:
    if b is not None:
        return M(both(plain(a), plain(b)))
    return M(whole(plain(a)) if axis is None else whole(plain(a), axis=axis, keepdims=True))


def size(value: Any) -> int:
    return round(plain(value).item())


NAMES: dict[str, Any] = {
    **{
        name: entrywise(getattr(np, name))
        for name in [
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "arctan",
            "sign",
            "sqrt",
            "abs",
        ]
    },
    "arcsin": entrywise(np.arcsin),
    "arccos": entrywise(np.arccos),
    "arcsinh": entrywise(np.arcsinh),
    "arctanh": entrywise(np.arctanh),
    "erf": entrywise(special.erf),
    "sigmoid": entrywise(special.expit),
    "relu": entrywise(lambda z: np.where(z > 0, z, 0)),
    "step": entrywise(lambda z: np.where(z > 0, 1.0, 0)),
    "leaky_relu": entrywise(lambda z: np.where(z > 0, z, 0.01 * z)),
    "softplus": entrywise(lambda z: np.log1p(np.exp(z))),
    "silu": entrywise(lambda z: z * special.expit(z)),
    "gelu": entrywise(lambda z: z * special.ndtr(z)),
    "elu": entrywise(lambda z: np.where(z > 0, z, np.expm1(z))),
    "max": lambda a, b=None, axis=None: extreme(np.maximum, np.max, a, b, axis),
    "min": lambda a, b=None, axis=None: extreme(np.minimum, np.min, a, b, axis),
    "where": lambda mask, a, b: M(np.where(plain(mask) > 0, plain(a), plain(b))),
    "specnorm": lambda z: M(np.sqrt(np.linalg.eigvalsh(plain(z).T @ plain(z))[-1])),
    "nuclear": lambda z: M(np.sqrt(np.maximum(np.linalg.eigvalsh(plain(z) @ plain(z).T), 0)).sum()),
    "eigmax": lambda z: M(np.linalg.eigvals(plain(z)).real.max()),
    "khatri": lambda a, b: M(
        np.stack([np.kron(*pair) for pair in zip(plain(a).T, plain(b).T, strict=True)], axis=1)
    ),
    **{name: entrywise(getattr(linalg, name)) for name in ("expm", "sinm", "cosm", "logm", "sqrtm")},
    "tr": lambda z: M(np.trace(plain(z))),
    "det": lambda z: M(np.linalg.det(plain(z))),
    "logdet": lambda z: M(np.linalg.slogdet(plain(z))[1]),
    "inv": lambda z: M(np.linalg.inv(plain(z))),
    "sum": along(sum_),
    "mean": along(mean_),
    "softmax": along(special.softmax),
    "logsoftmax": along(special.log_softmax),
    "logsumexp": along(special.logsumexp),
    "norm2": lambda z: M(np.linalg.norm(plain(z))),
    "normF": lambda z: M(np.linalg.norm(plain(z))),
    "norm1": lambda z: M(np.abs(plain(z)).sum()),
    "diag": lambda z: M(np.diag(plain(z).ravel()) if 1 in plain(z).shape else np.diag(plain(z))[:, None]),
    "vec": lambda z: M(plain(z).reshape(-1, 1)),
    "transpose": lambda z: M(plain(z).T),
    "dot": lambda a, b: M(np.vdot(plain(a), plain(b))),
    "outer": lambda a, b: M(np.outer(plain(a), plain(b))),
    "square": lambda z: M(plain(z) ** 2),
    "kron": lambda a, b: M(np.kron(plain(a), plain(b))),
    "eye": lambda n: M(np.eye(size(n))),
    "ones": lambda m, n=1: M(np.ones((size(m), size(n)))),
    "zeros": lambda m, n=1: M(np.zeros((size(m), size(n)))),
    "K": lambda m, n: commutation(size(m), size(n)),
    "pi": math.pi,
    "DOT": Dot(),
    "STACK": lambda parts: M(np.vstack([plain(part) for part in parts])),
}


def value(text: str, values: dict[str, Any], sizes: dict[str, int]) -> Any:
    """Return a formula's value as a 2-D array."""
    text = re.sub(r"\[([^\[\];]*(?:;[^\[\];]*)+)\]", lambda m: f"STACK([{m[1].replace(';', ',')}])", text)
    lines = [line.strip() for line in text.replace("\n", ";").split(";") if line.strip()]
    scope: dict[str, Any] = {**{s: M(n) for s, n in sizes.items()}, **{k: M(v) for k, v in values.items()}}
    found: Any = None
    for line in lines:
        name, _, right = line.partition("=") if re.match(r"\w+\s*=", line) else ("", "", line)
        code = re.sub(r"\.\*", " @ ", right)
        code = re.sub(r"\./", " // ", code)
        code = re.sub(r"\.\^", " **DOT** ", code)
        code = code.replace("^", "**").replace("'", ".T")
        code = re.sub(r"(?<![\w.])(\d+) (//|@)", r"\1 \2", code)
        found = eval(code.strip(), {**NAMES, "__builtins__": {}}, scope)
        if name:
            scope[name.strip()] = found
    return plain(found)


def difference(text: str, by: str, values: dict[str, Any], sizes: dict[str, int], h: float = 1e-3) -> Any:
    """Return ∂ of all entries by all entries, row by row: (outputs, inputs), by differences of fourth order."""
    x = np.atleast_2d(values[by]).astype(float)
    columns = []
    for place in np.ndindex(*x.shape):
        total = 0.0
        for step, weight in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
            moved = x.copy()
            moved[place] += step * h
            total = total + weight * value(text, {**values, by: moved}, sizes)
        columns.append(np.ravel(total) / (12 * h))
    return np.stack(columns, axis=1)


def sample(shape: tuple[int, int], tags: frozenset[str] | set[str], rng: Any) -> Any:
    """Return a random matrix that is what the tags say."""
    a = rng.normal(size=shape)
    if "positive definite" in tags:
        return a @ a.T + 0.5 * np.eye(shape[0])
    if "orthogonal" in tags:
        return np.linalg.qr(a)[0]
    if "diagonal" in tags:
        return np.diag(np.diag(a))
    if "symmetric" in tags:
        return (a + a.T) / 2
    if "probability" in tags:
        return np.exp(a) / np.exp(a).sum()
    if "positive" in tags:
        return np.exp(a / 2)
    return a


def points(
    shapes: dict[str, tuple[Any, Any]], tags: dict[str, Any], seed: int
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return random values and distinct random sizes, of 2 to about 6."""
    rng = np.random.default_rng(seed)
    letters = sorted(
        {
            letter
            for shape in shapes.values()
            for part in shape
            for atom in part
            for letter in re.findall(r"[^\W\d]\w*", str(atom))
        }
    )
    pool = rng.permutation(np.arange(2, 3 + max(len(letters), 3)))
    sizes = {letter: int(n) for letter, n in zip(letters, pool, strict=False)}

    def count(part):
        return math.prod(eval(str(atom), {}, dict(sizes)) for atom in part)

    values = {}
    for name, (rows, columns) in shapes.items():
        values[name] = sample((count(rows), count(columns)), set(tags.get(name, ())), rng)
    return values, sizes
