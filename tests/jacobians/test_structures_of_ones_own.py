"""A structure from outside, by the public doors alone: it does all that the library's own structures do."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from counting_scalars import Tally, counting, counting_constants
from numpy.testing import assert_allclose

import backprop
import verification
from jacobians import Affine, Cost, Function, Sequential, Spec, Tanh
from jacobians.numerics.ledger import Ledger
from jacobians.products import core, multiply, product_cost, product_spec
from jacobians.structures import Dense, Diagonal, DiagonalPlusLowRank, Jacobian, Kronecker, Selection, row
from jacobians.structures.storage import Stored

__all__ = ["counting_constants"]  # a fixture

RANDOM = np.random.default_rng(7)


class Circulant(Jacobian):
    """The matrix C[i, j] = c[(i − j) mod n]: a cyclic convolution."""

    structure = "Circulant"
    _fields = ("c",)

    def __init__(self, c: Any) -> None:
        self._init(np.asarray(c, dtype=float))

    def _init(self, c: Any, out_shape: Any = None, in_shape: Any = None, batch_shape: Any = None) -> None:
        self.c = c
        n = c.shape[-1]
        self._set(Spec.of("Circulant", n, n, tuple(c.shape[:-1])), out_shape, in_shape, batch_shape)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, tuple[int, ...]]:
        return {"c": (spec.shape[0],)}

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        return np.stack([_turned(self.c, place) for place in range(self.shape[0])], axis=-1)

    def _apply(self, columns: Any, ledger: Any) -> Any:
        total = ledger.scale(self.c[..., :, None], columns[..., :1, :])
        for place in range(1, self.shape[0]):
            term = ledger.scale(_turned(self.c, place)[..., :, None], columns[..., place : place + 1, :])
            total = ledger.add(total, term)
        return total

    def _transpose(self) -> Jacobian:
        return Circulant.unchecked(np.concatenate([self.c[..., :1], self.c[..., :0:-1]], axis=-1))

    def _scale(self, factor: Any) -> Jacobian:
        return Circulant.unchecked(self.c * factor)

    def _row_norms(self) -> Any:
        return np.repeat(np.linalg.norm(self.c, axis=-1, keepdims=True), self.shape[0], axis=-1)

    def _latex(self) -> str:
        return "C(c)"


def _turned(c: Any, place: int) -> Any:
    return np.concatenate([c[..., c.shape[-1] - place :], c[..., : c.shape[-1] - place]], axis=-1)


C = np.array([1.0, 2.0, 4.0])
TRUTH = np.array([[1.0, 4.0, 2.0], [2.0, 1.0, 4.0], [4.0, 2.0, 1.0]])


class Cyclic(Function):
    """y = c ⊛ x."""

    parameter_names = ()

    def forward(self, x: Any) -> Any:
        return TRUTH @ x

    def derivative(self, x: Any, wrt: str = "input") -> Jacobian:
        return Circulant(C)


BESIDE = [
    (Dense(RANDOM.normal(size=(3, 3))), None),
    (Dense(RANDOM.normal(size=(5, 3, 3))), None),
    (Diagonal([2.0, 3.0, 5.0]), None),
    (Selection([2, 0, -1], 3), None),
    (Selection([2, 2, 1], 3).T, None),
    (Kronecker([[2.0]], RANDOM.normal(size=(3, 3))), None),
    (Circulant([3.0, 0.0, 1.0]), None),
]


@pytest.mark.parametrize("other", [case[0] for case in BESIDE], ids=lambda J: J.label)
@pytest.mark.usefixtures("counting_constants")
def test_it_multiplies_from_both_sides_and_adds_as_planned(other: Jacobian) -> None:
    J, truth = Circulant(C), other.dense()
    for L, R, expected in ((J, other, TRUTH @ truth), (other, J, truth @ TRUTH)):
        ledger = Ledger()
        product = multiply(L, R, ledger)
        assert_allclose(product.dense(), expected)
        assert product.spec == product_spec(L.spec, R.spec)
        assert ledger.cost == product_cost(L.spec, R.spec)
        Tally.reset()
        multiply(counting(L), counting(R))
        assert Cost(Tally.multiplications, Tally.additions) == ledger.cost
    assert_allclose((J + other).dense(), TRUTH + truth)
    assert_allclose((other - J).dense(), truth - TRUTH)


def test_it_knows_what_it_stores() -> None:
    J = Circulant(C)
    assert (J.storage, J.nbytes, J.spec.T) == (3, 24, J.T.spec)
    assert repr(J) == "<Circulant 3×3: 3×3, out (3,), in (3,), 3 of 9 numbers stored>"
    assert_allclose(J.diagonal(), [1.0, 1.0, 1.0])
    assert J.trace() == 3.0
    assert_allclose((J / 2).dense(), TRUTH / 2)
    assert_allclose(J.T.dense(), TRUTH.T)


def test_it_is_planned_executed_checked_compiled_and_pictured() -> None:
    net = Sequential(Affine(RANDOM.normal(size=(3, 4)), None), Cyclic(), Tanh())
    x = RANDOM.normal(size=4)
    chain = backprop.Chain.from_network(net, x)
    result = chain.plan("right").execute()
    truth = np.diag(1 - np.tanh(TRUTH @ net.layers[0](x)) ** 2) @ TRUTH @ net.layers[0].parameters["W"]
    assert_allclose(result.jacobian.dense(), truth)
    assert result.cost == chain.plan("right").cost
    plan = chain.plan("right")
    names: dict[str, Any] = {}
    exec(plan.to_source(dense=True), names)  # our own code
    assert_allclose(names["product"](**plan.source_arguments()), truth)
    assert_allclose(backprop.compile(net)(x), truth)
    assert verification.check(net, x).verdict == "right"
    assert (
        "Circulant" in chain.plan("right").steps[0].formula or "S·B" in chain.plan("right").steps[0].formula
    )
    assert backprop.picture(Circulant(C)) is not None


def test_it_is_pickled_copied_and_stacked() -> None:
    for J in (pickle.loads(pickle.dumps(Circulant(C))), copy.deepcopy(Circulant(C))):
        assert_allclose(J.dense(), TRUTH)
        assert J.home is Circulant(C).home
    from jacobians.structures import stack

    many = stack([Circulant(C), Circulant(2 * C)])
    assert many.structure == "Circulant"
    assert_allclose(many.dense(), [TRUTH, 2 * TRUTH])


def test_a_row_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "ROWS", list(core.ROWS))
    row(
        "Circulant",
        "Circulant",
        "C(a)·C(b) = C(a ⊛ b)",
        result=lambda a, b: a,
        cost=lambda a, b: Circulant._apply_cost(a, 1, ()),
        execute=lambda L, R, ledger: Circulant.unchecked(L._apply(R.c[..., None], ledger)[..., 0]),
    )
    product = Circulant(C) @ Circulant(C)
    assert product.structure == "Circulant"
    assert_allclose(product.dense(), TRUTH @ TRUTH)
    assert core.product_cost(Circulant(C).spec, Circulant(C).spec) == Cost(9, 6)
    core.forget()


class Forgetful(Circulant):
    """A circulant whose _arrays says what is not so."""

    structure = "Forgetful"

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, tuple[int, ...]]:
        return {"c": (spec.shape[0] + 1,)}


def test_facts_that_disagree_are_told_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"Circulant: found the arrays none, expected by its _arrays\(spec\) c"
    ):
        Circulant.unflatten(Circulant(C).spec, {})
    spec = Spec.of("Forgetful", 3, 3)
    with pytest.raises(ValueError, match=r"Forgetful: found c of shape \(3,\), expected by its _arrays"):
        Jacobian.unflatten(spec, {"c": C})
    with pytest.raises(ValueError, match="Forgetful: its _unflatten made Spec"):
        Jacobian.unflatten(spec, {"c": np.ones(4)})
    type("Missing", (Circulant,), {"structure": "Missing", "_arrays": Stored.__dict__["_arrays"]})
    with pytest.raises(NotImplementedError, match=r"Missing: found no classmethod _arrays\(spec\)"):
        _ = Spec.of("Missing", 3, 3).storage


def test_what_a_class_has_to_write_is_told_where_it_is_asked_for() -> None:
    written = {
        name: value for name, value in vars(Circulant).items() if name not in ("_transpose", "structure")
    }
    untold = type("Untold", (Jacobian,), written | {"structure": "Untold"})
    J = untold(C)
    assert_allclose(J.matvec([1.0, 0.0, 0.0]), C)
    with pytest.raises(
        NotImplementedError, match=r"Untold: found no method _transpose\(\), expected one that"
    ):
        _ = J.T
    with pytest.raises(NotImplementedError, match=r"Untold: found no method _take\(rows, columns\)"):
        J._take(np.arange(2), None)
    assert J._idle(0) is None


def test_norms_of_rows_come_from_rows_where_a_class_has_no_formula() -> None:
    written = {name: value for name, value in vars(Circulant).items() if name != "_row_norms"}
    plain = type("Plain", (Jacobian,), written | {"structure": "Plain"})
    assert_allclose(plain(C).row_norms(), np.linalg.norm(TRUTH, axis=1))


# --- a layer whose derivative is a product -----------------------------------------------------------------


class Convolution(Function):
    """A 1-D convolution of c channels, x (c, n), with W (h, c·k): a gather, then a Kronecker product."""

    parameter_names = ("W",)

    def __init__(self, W: Any, c: int, k: int, n: int) -> None:
        self.W, self.c, self.k, self.n = self.parameter(W, "W", ndim=2), c, k, n
        places = np.arange(n - k + 1) + np.arange(k)[:, None]
        self.gather = (np.arange(c)[:, None, None] * n + places).reshape(c * k, -1)  # (c·k, windows)

    def forward(self, x: Any) -> Any:
        return self.W @ np.reshape(x, -1)[self.gather]

    def derivative(self, x: Any, wrt: str = "input") -> Any:
        windows = np.reshape(x, -1)[self.gather]
        if wrt == "W":
            return Kronecker(np.eye(len(self.W)), windows.T)
        S = Selection(self.gather.reshape(-1), x.size, in_shape=x.shape)
        return Kronecker(self.W, np.eye(windows.shape[1]), in_shape=(S.shape[0],)), S


def test_a_convolution_is_gather_times_kronecker_with_nothing_expanded() -> None:
    layer = Convolution(RANDOM.normal(size=(2, 6)), c=2, k=3, n=7)
    x = RANDOM.normal(size=(2, 7))
    factors = layer.chain(x)
    assert [J.structure for J in factors] == ["Kronecker", "Selection"]
    assert sum(J.storage for J in factors) < 10 * 14
    assert verification.check(layer, x).verdict == "right"
    chain = backprop.Chain.from_network(Sequential(layer, Tanh()), x)
    assert len(chain) == 3
    done = chain.plan("optimal").execute()
    assert done.cost == chain.plan("optimal").cost
    assert_allclose(done.jacobian.dense(), Sequential(layer, Tanh()).jacobian(x).dense())


def test_factors_that_do_not_fit_are_told() -> None:
    class Wrong(Cyclic):
        def derivative(self, x: Any, wrt: str = "input") -> Any:
            return Circulant(C), Dense(np.ones((2, 3)))

    with pytest.raises(
        ValueError, match=r"Wrong.derivative: found factors 0 and 1 of shapes \(3, 3\) and \(2, 3\)"
    ):
        Wrong().jacobian([1.0, 2.0, 3.0])


class Pair(Jacobian):
    """L·R, kept as its two parts; nothing of its costs is stated, so that runs on shapes count them."""

    structure = "Pair"
    _children = ("L", "R")

    def __init__(self, L: Jacobian, R: Jacobian) -> None:
        self._init(L, R)

    def _init(self, L: Jacobian, R: Jacobian, *options: Any, **named: Any) -> None:
        self.L, self.R = L, R
        self._set(Spec.of("Pair", L.shape[0], R.shape[1], (), (L.spec, R.spec)), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        return {}

    def _apply(self, columns: Any, ledger: Ledger) -> Any:
        return self.L._apply(self.R._apply(columns, ledger), ledger)

    def _expand(self, ledger: Ledger, out: Any = None) -> Any:
        return self.L._apply(self.R._expand(ledger), ledger)

    def _transpose(self) -> Jacobian:
        return Pair.unchecked(self.R.T, self.L.T)

    def _scale(self, factor: Any) -> Jacobian:
        return Pair.unchecked(self.L._scale(factor), self.R)

    def _latex(self) -> str:
        return "LR"


def test_a_run_on_shapes_counts_parts_that_write_on_the_diagonal() -> None:
    J = Pair(Dense(TRUTH), DiagonalPlusLowRank(C, C[:, None], C[:, None]))
    plan = backprop.Chain([J, J]).plan("left")
    assert plan.execute().cost == plan.cost == product_cost(J.spec, J.spec)
    assert_allclose((J @ J).dense(), J.dense() @ J.dense())


def test_the_name_of_another_structure_is_refused():
    class Pretends(Jacobian):
        structure = "Pretends"
        _fields = ("h",)

        def _init(self, h, *options, **named):
            self.h = h
            self._set(Spec.identity(3), *options, **named)

        _apply = _expand = _transpose = _scale = _latex = lambda self, *args: None

    with pytest.raises(
        TypeError, match="Pretends: found a spec of the structure 'Identity', expected its own, 'Pretends'"
    ):
        Pretends.unchecked(np.ones(3))


@pytest.mark.parametrize("name", ["Dense", "*"])
def test_the_name_of_a_structure_of_ours_is_taken(name):
    with pytest.raises(
        TypeError, match=r"Other\.structure: found '(Dense|\*)', .* expected a name of its own"
    ):
        type("Other", (Jacobian,), {"structure": name})
    assert_allclose((Dense([[2.0]]) @ Dense([[3.0]])).dense(), [[6.0]])
