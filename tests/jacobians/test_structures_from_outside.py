"""Four structures written with the public doors alone, through all that the library does with its own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
import verification
from jacobians import Affine, Function, Graph, Sequential, Spec, Tanh
from jacobians.structures import (
    BlockColumn,
    BlockDiagonal,
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Selection,
    Sparse,
    Toeplitz,
    Zero,
    stack,
)

RANDOM = np.random.default_rng(11)
N = 4


class Cyclic(Jacobian):
    """C[i, j] = c[(i − j) mod n]."""

    structure = "Cyclic"
    _fields = ("c",)

    def __init__(self, c: Any) -> None:
        self._init(np.asarray(c, float))

    def _init(self, c: Any, *options: Any, **named: Any) -> None:
        self.c = c
        self._set(Spec.of("Cyclic", c.shape[-1], c.shape[-1], tuple(c.shape[:-1])), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        return {"c": (spec.shape[0],)}

    def _apply(self, columns: Any, ledger: Any) -> Any:
        return ledger.matmul(self._expand(ledger), columns)

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        i = np.arange(self.shape[0])
        return self.c[..., (i[:, None] - i) % len(i)]

    def _transpose(self) -> Jacobian:
        return Cyclic.unchecked(self.c[..., -np.arange(self.shape[0])])

    def _scale(self, factor: Any) -> Jacobian:
        return Cyclic.unchecked(self.c * factor)

    def _latex(self) -> str:
        return "C"


class Mirror(Jacobian):
    """I − 2vvᵀ/(vᵀv)."""

    structure = "Mirror"
    _fields = ("v",)

    def __init__(self, v: Any) -> None:
        v = np.asarray(v, float)
        self._init(v / np.linalg.norm(v, axis=-1, keepdims=True))

    def _init(self, v: Any, *options: Any, **named: Any) -> None:
        self.v = v
        self._set(Spec.of("Mirror", v.shape[-1], v.shape[-1], tuple(v.shape[:-1])), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        return {"v": (spec.shape[0],)}

    def _apply(self, columns: Any, ledger: Any) -> Any:
        inner = ledger.matmul(self.v[..., None, :], columns)
        return ledger.add(columns, ledger.scale(-2.0, ledger.scale(self.v[..., None], inner)))

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        return self._apply(np.eye(self.shape[0], dtype=self.dtype), ledger)

    def _transpose(self) -> Jacobian:
        return self

    def _scale(self, factor: Any) -> Jacobian:
        return Dense(self._expand(_Plain()) * factor)

    def _latex(self) -> str:
        return "H"


class _Plain:
    """What counts nothing."""

    def matmul(self, a: Any, b: Any) -> Any:
        return a @ b

    def scale(self, a: Any, b: Any) -> Any:
        return a * b

    def add(self, a: Any, b: Any) -> Any:
        return a + b


class Banded(Jacobian):
    """b[0] below the diagonal, b[1] on it, b[2] above it; m×n, the facts of its spec say the sizes."""

    structure = "Banded"
    _fields = ("b",)

    def __init__(self, b: Any, m: int, n: int) -> None:
        self._init(np.asarray(b, float), m, n)

    def _init(self, b: Any, m: int, n: int, *options: Any, **named: Any) -> None:
        self.b = b
        self._set(Spec.of("Banded", m, n, tuple(b.shape[:-1]), wide=3), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        return {"b": (spec.wide,)}

    @classmethod
    def _unflatten(cls, spec: Spec, arrays: Any, parts: Any, dtype: Any) -> Jacobian:
        return cls.unchecked(arrays["b"], *spec.shape)

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        m, n = self.shape
        eyes = np.stack([np.eye(m, n, k, self.dtype) for k in (-1, 0, 1)])
        return np.sum(self.b[..., None, None] * eyes, axis=-3)

    def _apply(self, columns: Any, ledger: Any) -> Any:
        return ledger.matmul(self._expand(ledger), columns)

    def _transpose(self) -> Jacobian:
        return Banded.unchecked(self.b[..., ::-1], *self.shape[::-1])

    def _scale(self, factor: Any) -> Jacobian:
        return Banded.unchecked(self.b * factor, *self.shape)

    def _latex(self) -> str:
        return "B"


class Reversal(Jacobian):
    """y_i = x_{n−1−i}: stores nothing."""

    structure = "Reversal"

    def __init__(self, n: int) -> None:
        self._init(n)

    def _init(self, n: int, *options: Any, **named: Any) -> None:
        self._set(Spec.of("Reversal", n, n), *options, **({"dtype": np.float64} | named))

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        return {}

    @classmethod
    def _unflatten(cls, spec: Spec, arrays: Any, parts: Any, dtype: Any) -> Jacobian:
        return cls.unchecked(spec.shape[0], dtype=dtype)

    def _apply(self, columns: Any, ledger: Any) -> Any:
        return columns[..., ::-1, :]

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        return np.eye(self.shape[0], dtype=self.dtype)[::-1]

    def _transpose(self) -> Jacobian:
        return self

    def _scale(self, factor: Any) -> Jacobian:
        return Selection(np.arange(self.shape[0])[::-1], self.shape[0], np.full(self.shape[0], float(factor)))

    def _latex(self) -> str:
        return "P"


def _cyclic(c: Any) -> Any:
    return np.array([[c[(i - j) % len(c)] for j in range(len(c))] for i in range(len(c))])


C, V, B = RANDOM.normal(size=N), RANDOM.normal(size=N), np.array([2.0, 3.0, 5.0])
C5 = RANDOM.normal(size=(5, N))
BAND = np.diag(np.full(N, 3.0)) + np.diag(np.full(N - 1, 5.0), 1) + np.diag(np.full(N - 1, 2.0), -1)
OWN: dict[str, tuple[Jacobian, Any]] = {
    "circulant": (Cyclic(C), _cyclic(C)),
    "circulants of points": (Cyclic(C5), np.stack([_cyclic(c) for c in C5])),
    "reflection": (Mirror(V), np.eye(N) - 2 * np.outer(V, V) / (V @ V)),
    "banded": (Banded(B, N, N), BAND),
    "permutation-like": (Reversal(N), np.eye(N)[::-1]),
}
A = RANDOM.normal(size=(N, N))
BESIDE: list[Jacobian] = [
    Dense(A), Dense(RANDOM.normal(size=(5, N, N))), Diagonal(C), Identity(N), ScaledIdentity(-1.0, N), Zero(N, N),
    ScaledIdentity(2.5, N), DiagonalPlusLowRank(C, A[:, :2], A[:, 2:]), Kronecker(A[:2, :2], A[2:, 2:]),
    Kronecker(Identity(2), A[2:, 2:]), Selection([1, 1, -1, 0], N), Selection([1, 1, -1, 0], N).T, Toeplitz([2.0], N),
    Sparse(np.triu(A)), Repeat(2, q=2) @ Repeat(2, q=2).T, BlockRow([Dense(A[:, :2]), Dense(A[:, 2:])]),
    BlockColumn([Dense(A[:2]), Dense(A[2:])]), BlockDiagonal([Dense(A[:1, :2]), Dense(A[:3, :2])]),
    Kronecker(RANDOM.normal(size=(5, 2, 2)), A[:2, :2]).summed(), *(J for J, _ in OWN.values()),
]  # fmt: skip


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest) -> tuple[Jacobian, Any]:
    return OWN[request.param]


@pytest.mark.parametrize("other", BESIDE, ids=lambda J: J.label)
def test_it_multiplies_from_both_sides_and_adds(own: Any, other: Jacobian) -> None:
    (J, truth), beside = own, other.dense()
    assert_allclose((J @ other).dense(), truth @ beside, atol=1e-13)
    assert_allclose((other @ J).dense(), beside @ truth, atol=1e-13)
    assert_allclose((J + other).dense(), truth + beside, atol=1e-13)
    assert_allclose((other - J).dense(), beside - truth, atol=1e-13)
    for factors in ([J, other, J], [other, J, other], [J, J, other, J.T]):
        chain = backprop.Chain(factors)
        product = factors[0].dense()
        for factor in factors[1:]:
            product = product @ factor.dense()
        for order in ("left", "right", "optimal"):
            plan = chain.plan(order)
            done = plan.execute()
            assert done.cost == plan.cost
            assert_allclose(done.jacobian.dense(), product, atol=1e-11)


def test_it_is_one_map_in_all_forms(own: Any) -> None:
    J, truth = own
    assert_allclose(J.T.dense(), truth.mT, atol=1e-14)
    assert J.T.spec == J.spec.T
    assert_allclose((J * 2).dense(), 2 * truth)
    assert_allclose((-J / 4).dense(), -truth / 4)
    x = RANDOM.normal(size=(*J.batch_shape, N))
    assert_allclose(J.matvec(x), (truth @ x[..., None])[..., 0])
    assert_allclose(J.rmatvec(x), (truth.mT @ x[..., None])[..., 0])
    assert_allclose(J.row_norms(), np.linalg.norm(truth, axis=-1))
    assert_allclose(J.diagonal(), np.diagonal(truth, axis1=-2, axis2=-1))
    assert_allclose(J.trace(), np.trace(truth, axis1=-2, axis2=-1))
    assert_allclose(J.summed().dense(), truth if truth.ndim == 2 else truth.sum(axis=0))
    assert J.structure in repr(J)
    assert J._repr_latex_().startswith("$")
    assert J.label in J._repr_html_()
    assert J.astype("float32").dense().dtype == np.float32
    for again in (
        pickle.loads(pickle.dumps(J)),
        copy.deepcopy(J),
        J.unflatten(J.spec, J.flatten(), J.static),
    ):
        assert (type(again), again.spec, again.home) == (type(J), J.spec, J.home)
        assert_allclose(again.dense(), truth)
    if not J.batch_shape:
        many = stack([J, J, J])
        assert (many.structure, many.batch_shape) == (J.structure, (3,))
        assert_allclose(many.dense(), np.stack([truth] * 3))
        assert_allclose(J.as_linear_operator() @ x, truth @ x)


def test_it_is_a_part_of_others(own: Any) -> None:
    J, truth = own
    eye, zero = np.eye(2), np.zeros
    lead = truth.shape[:-2]
    wide = np.broadcast_to(A, (*lead, N, N))
    for whole, expected in (
        (BlockDiagonal([J, Dense(A)]), np.concatenate([
            np.concatenate([truth, zero((*lead, N, N))], axis=-1),
            np.concatenate([zero((*lead, N, N)), wide], axis=-1),
        ], axis=-2)),
        (BlockRow([J, Dense(A)]), np.concatenate([truth, wide], axis=-1)),
        (BlockColumn([Dense(A), J]), np.concatenate([wide, truth], axis=-2)),
        (Kronecker(eye, J), np.stack([np.kron(eye, t) for t in truth.reshape(-1, N, N)]).reshape(*lead, 2 * N, 2 * N)),
        (Kronecker(J, eye), np.stack([np.kron(t, eye) for t in truth.reshape(-1, N, N)]).reshape(*lead, 2 * N, 2 * N)),
    ):  # fmt: skip
        assert_allclose(whole.dense(), expected)
        assert_allclose(pickle.loads(pickle.dumps(whole)).dense(), expected)
        assert_allclose((whole.T @ whole).dense(), expected.mT @ expected, atol=1e-12)
        assert_allclose((whole + whole).dense(), 2 * expected)
        assert_allclose(whole.row_norms(), np.linalg.norm(expected, axis=-1))
        if whole.shape[0] == whole.shape[1]:
            assert_allclose(whole.diagonal(), np.diagonal(expected, axis1=-2, axis2=-1))
        chain = backprop.Chain([whole.T, whole])
        assert chain.plan("left").execute().cost == chain.plan("left").cost


class Handed(Function):
    """y = Mx, whose derivative is a structure that is handed over, or a product of two."""

    def __init__(self, derivative: Any, matrix: Any) -> None:
        self.found, self.matrix = derivative, matrix

    def forward(self, x: Any) -> Any:
        return self.matrix @ x

    def derivative(self, x: Any, wrt: str = "input") -> Any:
        return self.found


@pytest.mark.parametrize("name", [name for name in OWN if "points" not in name])
def test_it_is_a_derivative_checked_planned_compiled_and_pictured(name: str) -> None:
    J, truth = OWN[name]
    x = RANDOM.normal(size=3)
    W = RANDOM.normal(size=(N, 3)) / 20  # tanh is not to saturate
    for derivative, matrix in ((J, truth), ((J, Diagonal(C), J), truth @ np.diag(C) @ truth)):
        layer = Handed(derivative, matrix)
        assert verification.check(layer, C).verdict == "right"
        net = Sequential(Affine(W, np.zeros(N)), layer, Tanh())
        expected = np.diag(1 - np.tanh(matrix @ W @ x) ** 2) @ matrix
        assert_allclose(net.jacobian(x).dense(), expected @ W)
        assert_allclose(net.jacobian(x, wrt="0.W").dense(), np.kron(expected, x))
        assert_allclose(backprop.compile(net)(x), expected @ W)
        batch = np.stack([x, 2 * x])
        assert_allclose(net.jacobian(batch, batched=True).dense()[0], expected @ W)
        chain = backprop.Chain.from_network(net, x)
        for order in ("left", "right", "optimal"):
            plan = chain.plan(order)
            assert plan.execute().cost == plan.cost
            names: dict[str, Any] = {}
            exec(plan.to_source(dense=True), names)  # our own code
            assert_allclose(names["product"](**plan.source_arguments()), expected @ W)
        assert pickle.loads(pickle.dumps(chain.plan("left"))).cost == chain.plan("left").cost
    assert backprop.picture(J) is not None


@pytest.mark.parametrize("name", [name for name in OWN if "points" not in name])
def test_it_is_an_edge_of_graphs(name: str) -> None:
    J, truth = OWN[name]
    edges = [("x", "u", J), ("x", "v", Dense(A)), ("u", "v", J.T), ("v", "y", J), ("u", "y", Diagonal(C))]
    graph = Graph.from_edges(["x"], ["x", "u", "v", "y"], ["y"], edges)
    expected = truth @ (A + truth.T @ truth) + np.diag(C) @ truth
    for order in ("forward", "reverse", "markowitz", "optimal"):
        plan = graph.plan(order)
        done = plan.execute()
        assert done.cost == plan.cost
        assert_allclose(done.jacobians[3, 0].dense(), expected, atol=1e-12)
    names: dict[str, Any] = {}
    plan = graph.plan("optimal")
    exec(plan.to_source(dense=True), names)  # our own code
    assert_allclose(names["jacobians"](**plan.source_arguments()), expected, atol=1e-12)
    assert J.structure in graph.picture()
    bare = Graph.from_edges(["x"], ["x", "u"], ["u"], [("x", "u", J.spec)])
    assert bare.plan("forward").cost.multiplications == 0
    assert J.structure in bare.plan("forward").picture()


def test_numbers_that_nobody_stores_are_added_to_in_generated_code() -> None:
    # 1·1ᵀ of a broadcast and a sum is made dense from nothing that is stored; a diagonal goes into it
    edges = [("x", "s", Repeat(2, q=2).T), ("s", "y", Repeat(2, q=2)), ("x", "y", Diagonal(C))]
    plan = Graph.from_edges(["x"], ["x", "s", "y"], ["y"], edges).plan("forward")
    names: dict[str, Any] = {}
    exec(plan.to_source(), names)  # our own code
    expected = np.tile(np.eye(2), (2, 2)) + np.diag(C)
    assert_allclose(names["jacobians"](**plan.source_arguments()), expected)


class Doubled(Cyclic):
    """2·C, whose formulas multiply numbers that nothing records by a scalar, which stands first."""

    structure = "Doubled"

    def _init(self, c: Any, *options: Any, **named: Any) -> None:
        self.c = c
        self._set(Spec.of("Doubled", c.shape[-1], c.shape[-1], tuple(c.shape[:-1])), *options, **named)

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        return ledger.scale(2.0, super()._expand(ledger))

    def _transpose(self) -> Jacobian:
        return Doubled.unchecked(self.c[..., -np.arange(self.shape[0])])


class TimesTwo(Function):
    """y = 2·C·x for numbers of its own."""

    def forward(self, x: Any) -> Any:
        return Doubled(np.arange(3.0)).dense() @ x

    def derivative(self, x: Any, wrt: str = "input") -> Jacobian:
        return Doubled(np.arange(3.0))


def test_a_scalar_may_stand_first_in_counted_arithmetic_on_numbers_that_are_known() -> None:
    x = np.array([0.5, -1.0, 2.0])
    net = Sequential(Tanh(), TimesTwo(), Tanh())
    matrix = 2 * np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0], [2.0, 1.0, 0.0]])
    inner = np.tanh(x)
    expected = np.diag(1 - np.tanh(matrix @ inner) ** 2) @ matrix @ np.diag(1 - inner**2)
    assert_allclose(backprop.compile(net, shape=(3,))(x), expected)
