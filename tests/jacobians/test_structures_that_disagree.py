"""Structures and rows from outside that contradict themselves: a sentence names the structure and the method."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from backprop import Chain
from jacobians import Cost, Graph, Spec
from jacobians.cost import Count
from jacobians.numerics.ledger import UNCOUNTED
from jacobians.products import core, sums
from jacobians.structures import BlockDiagonal, Dense, Diagonal, Jacobian, Kronecker, row, stack, sum_row


class Shift(Jacobian):
    """The matrix with a along the diagonal and b beside it, at the right."""

    structure = "Shift"
    _fields = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self._init(np.asarray(a, float), np.asarray(b, float))

    def _init(self, a: Any, b: Any, *options: Any, **named: Any) -> None:
        self.a, self.b = a, b
        n = a.shape[-1]
        self._set(Spec.of(self.structure, n, n, tuple(a.shape[:-1])), *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Any]:
        n = spec.shape[0]
        return {"a": (n,), "b": (n,)}

    def _apply(self, columns: Any, ledger: Any) -> Any:
        below = np.roll(columns, -1, axis=-2)
        return ledger.add(ledger.scale(self.a[..., None], columns), ledger.scale(self.b[..., None], below))

    def _expand(self, ledger: Any, out: Any = None) -> Any:
        eye = np.eye(self.shape[0], dtype=self.dtype)
        return self.a[..., None] * eye + self.b[..., None] * np.roll(eye, 1, axis=1)

    def _transpose(self) -> Jacobian:
        return Dense(np.swapaxes(self._expand(None), -1, -2))

    def _scale(self, factor: Any) -> Jacobian:
        return type(self).unchecked(self.a * factor, self.b * factor)

    def _latex(self) -> str:
        return "S"


A, B = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
TRUTH = np.array([[1.0, 4.0, 0.0], [0.0, 2.0, 5.0], [6.0, 0.0, 3.0]])
EYE = np.eye(3)


def wrong(**methods: Any) -> Any:
    """Return the class with some methods changed."""
    return type("Odd", (Shift,), {"structure": "Odd", "__module__": __name__} | methods)


def without(*names: str, **methods: Any) -> Any:
    """Return the class without some of what it writes."""
    kept = {name: value for name, value in vars(Shift).items() if name not in names}
    return type("Odd", (Jacobian,), kept | ({} if "structure" in names else {"structure": "Odd"}) | methods)


def set_only(**stated: Any) -> Any:
    """Return an _init that sets a and b, and gives _set another spec."""

    def _init(self: Any, a: Any, b: Any, *options: Any, **named: Any) -> None:
        self.a, self.b = a, b
        self._set(stated["spec"], *options, **named)

    return _init


def nothing(*args: Any, **options: Any) -> None:
    """Return None."""


CALLS = {
    "_apply": lambda J: J @ EYE,
    "_expand": lambda J: J.dense(),
    "_transpose": lambda J: J.T,
    "_scale": lambda J: J * 2.0,
    "_latex": lambda J: J._repr_latex_(),
    "_row_norms": lambda J: J.row_norms(),
    "_diagonal": lambda J: J.diagonal(),
    "_at": lambda J: J.diagonal(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_method_that_returns_none_is_named(name: str) -> None:
    J = wrong(**{name: nothing})(A, B)
    with pytest.raises(TypeError, match=rf"^Odd\.{name}: found None, expected "):
        CALLS[name](J)


@pytest.mark.parametrize(
    "name", ["_apply", "_expand", "_transpose", "_scale", "_row_norms", "_diagonal", "_at"]
)
def test_a_method_that_returns_another_shape_is_named(name: str) -> None:
    made = Dense(np.ones((2, 3))) if name in ("_transpose", "_scale") else np.ones((7, 2, 2))
    J = wrong(**{name: lambda self, *args, **options: made})(A, B)
    with pytest.raises(
        ValueError, match=rf"^Odd\.{name}: found .* of shape \(.*\), expected .* shape \((3, 3|3,)\)"
    ):
        CALLS[name](J)


@pytest.mark.parametrize(
    "call", [lambda J: J.matvec(A), lambda J: J @ J, lambda J: J @ Diagonal(A), lambda J: EYE @ J]
)
def test_an_error_of_numpy_within_a_method_is_told_by_name(call: Any) -> None:
    J = wrong(_apply=lambda self, columns, ledger: np.ones((4, 4)) @ columns, _transpose=lambda self: self)(
        A, B
    )
    with pytest.raises(
        ValueError, match=r"^Odd\._apply: found an error of type ValueError within, expected J·X"
    ):
        call(J)


@pytest.mark.parametrize(
    ("name", "made", "dtype", "sentence"),
    [
        (
            "_apply",
            lambda x: x[0] * 1j,
            "f8",
            "found an array of complex128 .* expected J·X, an array of float64",
        ),
        (
            "_apply",
            lambda x: x[0] * np.float64(2),
            "f4",
            "found an array of float64 .* J·X, an array of float32",
        ),
        (
            "_apply",
            lambda x: x[0].astype("f4"),
            "f8",
            "found an array of float32 .* J·X, an array of float64",
        ),
        (
            "_expand",
            lambda x: np.eye(3),
            "f4",
            "found an array of float64 .* dense form, an array of float32",
        ),
        (
            "_expand",
            lambda x: np.eye(3, dtype=int),
            "f8",
            "found an array of int64 .* form, an array of float64",
        ),
        ("_transpose", lambda x: Dense(EYE), "f4", "found .* of float64, .* Jᵀ, a Jacobian of float32"),
        (
            "_scale",
            lambda x: Dense(EYE),
            "f4",
            "found .* of float64, .* multiple of J, a Jacobian of float32",
        ),
        ("_row_norms", lambda x: np.ones(3), "f4", "found an array of float64 .* rows, an array of float32"),
        (
            "_diagonal",
            lambda x: np.ones(3),
            "f4",
            "found an array of float64 .* diagonal, an array of float32",
        ),
    ],
)
def test_a_method_that_returns_another_precision_is_named(
    name: str, made: Any, dtype: str, sentence: str
) -> None:
    J = wrong(**{name: lambda self, *args, **options: made(args)})(A, B).astype(dtype)
    with pytest.raises(ValueError, match=rf"^Odd\.{name}: {sentence} of shape "):
        CALLS[name](J) if name != "_apply" else J @ EYE.astype(dtype)


def test_columns_of_other_scalars_have_no_precision() -> None:
    halves = np.array([Fraction(1, 2), Fraction(1, 3), Fraction(1, 4)], dtype=object)
    assert_array_equal(Shift(A, B)._apply(halves[:, None], UNCOUNTED)[:, 0], TRUTH @ halves)
    assert Shift(A, B)._apply(A[:, None] * 1j, UNCOUNTED).dtype == complex


@pytest.mark.parametrize(
    "expanded",
    [
        lambda self, m: m.__setitem__((..., 0, 0), self.a[..., 0]),
        lambda self, m: np.fill_diagonal(m, self.a),
        lambda self, m: np.asarray(self.a),
    ],
)
def test_numbers_asked_of_a_recorded_array_are_told_by_the_name_of_the_method(expanded: Any) -> None:
    def _expand(self: Any, ledger: Any, out: Any = None) -> Any:
        matrix = np.zeros(self.shape)
        expanded(self, matrix)
        return matrix

    plan = Chain([wrong(_expand=_expand)(A, B), Diagonal(A)]).plan()
    with pytest.raises(
        TypeError, match=r"^Odd\._expand: (conversion to|recorded values go into) an array of num"
    ):
        plan.to_source()


LYING = {
    "J·X": (lambda J: [J, EYE], "_apply_cost", r"Odd 3×3 and Dense 3×3 by the row 'S·B"),
    "X·J": (lambda J: [EYE, J.T], "_apply_cost", r"Dense 3×3 and Odd 3×3 by the row 'A·S"),
    "dense": (
        lambda J: [Diagonal(A), J],
        "_expansion_cost",
        r"Diagonal 3×3 and Odd 3×3 by the row 'J·K, one",
    ),
    "within": (
        lambda J: [Kronecker(J, EYE), np.ones((9, 2))],
        "_apply_cost",
        r"Odd 3×3 ⊗ Dense 3×3 and Dense 9×2",
    ),
}


@pytest.mark.parametrize("where", LYING)
@pytest.mark.parametrize("dead_units", [True, False])
def test_a_stated_cost_that_is_not_what_is_counted_is_named_by_executions(
    where: str, dead_units: bool
) -> None:
    factors, method, sentence = LYING[where]
    lying = {"_transpose": lambda self: self, method: classmethod(lambda cls, spec, *more: Cost(1, 2))}
    chain = factors(wrong(**lying)(A, B))
    assert Chain(factors(Shift(A, B))).plan().execute()  # what it is compared with
    with pytest.raises(
        ValueError, match=rf"^cost: found \d+ mul.* counted in {sentence}.*, expected .*states"
    ):
        Chain([*chain, Diagonal(np.ones(chain[-1].shape[1]))]).plan("left", dead_units=dead_units).execute()
    first, second = (one if isinstance(one, Jacobian) else Dense(one) for one in chain)
    graph = Graph.from_edges(1, 3, [2], [(0, 1, second), (1, 2, first)])
    with pytest.raises(ValueError, match=rf"^cost: found \d+ mul.* counted in {sentence}"):
        graph.plan().execute()


@pytest.mark.parametrize("put", [row, sum_row])
def test_a_stated_cost_of_a_row_is_named_and_plans_are_made_anew_by_a_new_row(
    put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "ROWS", list(core.ROWS))
    monkeypatch.setattr(sums, "ROWS", list(sums.ROWS))
    J, other = Shift(A, B), Dense(EYE)
    chain = Chain([J, J, other])
    graph = Graph.from_edges(1, 3, [2], [(0, 1, J), (0, 1, J), (1, 2, other)])
    before = chain.plan(((0, 1), 2)), chain.plan(), graph.plan()
    put(
        "Shift",
        "Shift",
        "S₁ and S₂",
        result=lambda a, b: Spec.dense(3, 3),
        cost=lambda a, b: Cost(1000, 0),
        execute=lambda L, R, ledger: Dense(L.dense() @ R.dense()),
    )
    try:
        sentence = (
            r"^cost: found 0 multiplications.* counted in Shift 3×3 and Shift 3×3 by the row 'S₁ and S₂', exp"
        )
        plans = [chain.plan(((0, 1), 2)), Chain([J, J, other]).plan("left")] if put is row else [graph.plan()]
        for plan in plans:
            assert plan.cost.multiplications >= 1000
            with pytest.raises(ValueError, match=sentence):
                plan.execute()
        assert chain.plan() is not before[1]
        assert chain.plan().cost.multiplications < 1000  # the dear row is gone round
        assert chain.plan().execute().cost == chain.plan().cost
    finally:
        core.forget()


def test_a_sentence_of_the_authors_own_stays() -> None:
    def _apply(self: Any, columns: Any, ledger: Any) -> Any:
        raise ValueError("columns: found some, expected none")

    with pytest.raises(ValueError, match=r"^columns: found some, expected none$"):
        wrong(_apply=_apply)(A, B).matvec(A)


@pytest.mark.parametrize(
    ("arrays", "error", "sentence"),
    [
        ({"a": (4,), "b": (3,)}, ValueError, r"found a of shape \(4,\) .* expected \(3,\), as it is stored"),
        ({"a": (3,)}, ValueError, r"found b of shape None .* expected \(3,\), as it is stored"),
        ({"a": (3,), "b": (3,), "c": (3,)}, ValueError, r"found .*'c'.*, expected shapes .* names a, b"),
        (None, TypeError, r"found None, expected shapes without batch axes by the names a, b"),
    ],
)
def test_stated_storage_that_is_not_what_is_stored_is_told(arrays: Any, error: Any, sentence: str) -> None:
    with pytest.raises(error, match=rf"^Odd\._arrays: {sentence}"):
        wrong(_arrays=classmethod(lambda cls, spec: arrays))(A, B)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (
            lambda: without("_apply")(A, B),
            TypeError,
            r"Odd: found no method _apply\(columns, ledger\), which",
        ),
        (
            lambda: without("_expand")(A, B),
            TypeError,
            r"Odd: found no method _expand\(ledger, out=None\), which",
        ),
        (lambda: without("_scale")(A, B), TypeError, r"Odd: found no method _scale\(factor\), which"),
        (lambda: without("_latex").unchecked(A, B), TypeError, r"Odd: found no method _latex\(\), which"),
        (lambda: without("_transpose")(A, B).T, NotImplementedError, r"Odd: found no method _transpose\(\)"),
        (lambda: without("_arrays")(A, B), NotImplementedError, r"Odd: found no classmethod _arrays\(spec\)"),
        (lambda: without("_init")(A, B), NotImplementedError, r"Odd: found no method _init\(…\)"),
        (
            lambda: without("structure", _init=set_only(spec=Spec.of("Shift", 3, 3)))(A, B),
            TypeError,
            r"Odd: found no structure, expected its name",
        ),
        (
            lambda: wrong(__init__=nothing)(A, B),
            TypeError,
            r"Odd\.__init__: found None, expected a call of self\._set",
        ),
        (
            lambda: wrong(_init=nothing)(A, B),
            TypeError,
            r"Odd\._init: found None, expected a call of self\._set",
        ),
        (
            lambda: wrong(_fields=("a", "b", "c"))(A, B),
            TypeError,
            r"Odd\._init: found no c, which the class names",
        ),
        (
            lambda: wrong(_init=set_only(spec=None))(A, B),
            TypeError,
            r"Odd\._set: found None, expected a Spec",
        ),
        (
            lambda: wrong(_init=set_only(spec=Spec.of("Odd", 3, 3, (2,))))(A, B),
            ValueError,
            r"Odd\._arrays: found [ab] of shape \(2, 3\) .* batch \(2,\), expected \(3,\), as it is stored",
        ),
        (
            lambda: wrong(_init=set_only(spec=Spec.of("Odd", 3, 3, (), [Spec.identity(2)])))(A, B),
            ValueError,
            r"Odd\._init: found a spec with the parts .*, expected \(\), as they are stored",
        ),
        (
            lambda: type("Odd", (Shift,), {"structure": 3}),
            TypeError,
            "Odd.structure: found 3, expected a name",
        ),
    ],
)
def test_what_is_forgotten_is_told(make: Any, error: Any, sentence: str) -> None:
    with pytest.raises(error, match=f"^{sentence}"):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda J: pickle.loads(pickle.dumps(J)),
        copy.deepcopy,
        lambda J: stack([J, J]),
        lambda J: J.astype("f4"),
    ],
)
def test_what_is_made_again_as_something_else_is_told(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        TypeError, match=r"^Odd\._unflatten: found None, expected what is made again, a Jacobian"
    ):
        call(wrong(_unflatten=classmethod(nothing))(A, B))
    made = classmethod(lambda cls, spec, arrays, parts, dtype: Diagonal(A))
    with pytest.raises(ValueError, match=r"^Odd: its _unflatten made Spec\(Diagonal 3×3\), expected Spec"):
        call(wrong(_unflatten=made)(A, B))


def test_a_stated_transpose_that_is_another_is_told() -> None:
    J = wrong(_transposed=classmethod(lambda cls, spec: spec))(A, B)
    with pytest.raises(
        ValueError, match=r"^Odd\._transpose: found Spec\(Dense 3×3\) .*, by its _transposed, Spec\(Odd"
    ):
        _ = J.T


@pytest.mark.parametrize("table", ["ROWS of products", "ROWS of sums"])
@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"execute": nothing}, TypeError, "execute gave None, expected a Jacobian with Spec"),
        (
            {"execute": lambda L, R, g: Dense([[1.0]])},
            TypeError,
            r"execute gave one with .* of shape \(1, 1\), expected",
        ),
        (
            {"execute": lambda L, R, g: Dense(L.a @ np.ones(4))},
            ValueError,
            "execute: found an error of type ValueError",
        ),
        (
            {"execute": lambda L, R, g: Dense(EYE.astype("f4"))},
            TypeError,
            "execute gave a Jacobian of float32, expected one of float64",
        ),
        ({"result": nothing}, TypeError, r"result gave None, expected a Spec of shape \(3, 3\)"),
        (
            {"result": lambda a, b: Spec.dense(3, 4)},
            TypeError,
            r"result gave .* of shape \(3, 4\), expected a Spec",
        ),
        ({"cost": nothing}, TypeError, "cost gave None, expected a Cost or a Count"),
        ({"applies": nothing}, TypeError, "applies gave None, expected True or False"),
        (
            {"applies": lambda a, b: a.shape[0] > "3"},
            TypeError,
            "applies: found an error of type TypeError within, expected True or False",
        ),
        (
            {"cost": lambda a, b: Cost(a.shape[0] / 0, 0)},
            ValueError,
            "cost: found an error of type ZeroDivisionError within, expected a Cost",
        ),
        (
            {"result": lambda a, b: Spec.dense(*a.parts[0].shape)},
            ValueError,
            "result: found an error of type IndexError within, expected the Spec",
        ),
    ],
)
def test_a_row_that_breaks_its_word_is_named(
    table: str, changed: Any, error: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    J = Shift(A, B)
    monkeypatch.setattr(core, "ROWS", list(core.ROWS))
    monkeypatch.setattr(sums, "ROWS", list(sums.ROWS))
    whole: dict[str, Any] = {
        "result": lambda a, b: Spec.dense(3, 3),
        "cost": lambda a, b: Cost(0, 0),
        "execute": lambda L, R, ledger: Dense(EYE),
    }
    put, cost = (row, core.product_cost) if "products" in table else (sum_row, sums.sum_cost)
    put("Shift", "Shift", "S₁·S₂", **whole | changed)
    with pytest.raises(error, match=rf"^row Shift, Shift \(S₁·S₂\): its {sentence}"):
        _ = (J @ J if "products" in table else J + J), cost(J.spec, J.spec)
    core.forget()


def test_a_plan_from_before_a_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "ROWS", list(core.ROWS))
    chain = Chain([Shift(A, B), Shift(A, B)])
    plan = chain.plan()
    row(
        "Shift",
        "Shift",
        "S₁·S₂ by shifts",
        result=lambda a, b: Spec.dense(3, 3),
        cost=lambda a, b: Cost(0, 0),
        execute=lambda L, R, ledger: Dense(L.dense() @ R.dense()),
    )
    with pytest.raises(
        ValueError, match=r"^cost: counted 0 mul.*, expected \d+ mul.* as planned; a row .* plan again$"
    ):
        plan.execute()
    assert chain.plan().execute().cost == Cost(0, 0)
    core.forget()


# --- a class that leaves the name of its structure to its parent -----------------------------------------------


class Named(Dense):
    """A matrix with a method more."""

    def corner(self) -> float:
        return float(self.A[..., 0, 0])


class Nearby(Shift):
    """The like of a structure from outside."""


@pytest.mark.parametrize("J", [Named(TRUTH), Nearby(A, B)], ids=["of ours", "of their own"])
def test_a_class_stays_itself_without_a_name_of_its_own(J: Jacobian) -> None:
    kind = type(J)
    for made in (pickle.loads(pickle.dumps(J)), copy.deepcopy(J), J.astype("float32"), stack([J, J])):
        assert type(made) is kind
        assert_allclose(made.dense(), np.broadcast_to(TRUTH, made.dense().shape))
    for whole in (Kronecker(J, [[2.0]]), BlockDiagonal([J, J])):
        assert type(pickle.loads(pickle.dumps(whole)).parts[0]) is kind
    done = Chain([J, J]).plan("left").execute()
    assert_allclose(done.jacobian.dense(), TRUTH @ TRUTH)


# --- names that can't be told apart, methods of the wrong kind, and facts that nothing is looked up by ---------


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"_fields": ("ab")}, r"Odd\._fields: found 'ab', expected a tuple of names such as \('v',\)"),
        ({"_children": ["a"]}, r"Odd\._children: found \['a'\], expected a tuple of names such as"),
        ({"_indices": ("a",)}, "Odd: found the name 'a' twice among what it stores, expected once"),
        (
            {"_fields": ("b_d",), "_children": ("b",)},
            r"Odd: found the name 'b_d' beside the child 'b', expected another, for flatten\(\) calls",
        ),
        (
            {"_arrays": lambda cls, spec: {"a": (3,), "b": (3,)}},
            r"Odd\._arrays: found function, expected a class method; write @classmethod before it",
        ),
        (
            {"_apply_cost": staticmethod(lambda spec, columns, batch: Cost(0, 0))},
            r"Odd\._apply_cost: found staticmethod, expected a class method",
        ),
        ({"structure": ""}, r"Odd\.structure: found '', expected a name"),
    ],
)
def test_a_class_that_is_written_wrongly_is_told_where_it_is_made(changed: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}"):
        wrong(**changed)


def test_an_array_that_is_asked_for_by_another_name_is_told() -> None:
    asked = classmethod(lambda cls, spec, arrays, parts, dtype: cls.unchecked(arrays["a"], arrays["c"]))
    with pytest.raises(
        ValueError, match=r"^Odd\._unflatten: found an error of type KeyError within, expected"
    ):
        pickle.loads(pickle.dumps(wrong(_unflatten=asked)(A, B)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Spec.of("Odd", 3, 3, rank=2),
            r"Odd: found facts {'rank': 2}, expected hashable ones by names that no Spec has",
        ),
        (
            lambda: Spec.of("Odd", 3, 3, places=[1]),
            r"Odd: found facts {'places': \[1\]}, expected hashable ones",
        ),
        (lambda: Spec.of("Odd", 3, 3, places=(EYE,)), "Odd: found facts {.*}, expected hashable ones"),
        (lambda: Spec.of("Odd", 3, 3, (), [EYE]), r"parts: found \[.*\], expected specs such as Spec"),
        (lambda: Spec.of(["Odd"], 3, 3), r"structure: found \['Odd'\], expected a name such as 'Dense'"),
    ],
)
def test_a_spec_that_nothing_can_be_looked_up_by_is_told(make: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}"):
        make()


D, K = Diagonal(A), Kronecker(Diagonal(A), Diagonal(B))


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ((None, {}), TypeError, "spec: found None, expected a Spec"),
        (
            (D.spec, [A]),
            TypeError,
            r"arrays: found \[.*\], expected arrays by name, as flatten\(\) returns them",
        ),
        (
            (D.spec, {"d": 3.0}),
            ValueError,
            r"Diagonal: found d of shape \('no array',\), expected by its _arrays",
        ),
        (
            (D.spec, {"d": A}, "flat"),
            TypeError,
            "static: found 'flat', expected that of a Jacobian with parts as",
        ),
        (
            (K.spec, K.flatten(), D.static),
            TypeError,
            r"static: found Static.*, expected that of a Jacobian with parts",
        ),
    ],
)
def test_what_no_jacobian_is_made_of_is_told(asked: Any, error: Any, sentence: str) -> None:
    with pytest.raises(error, match=f"^{sentence}"):
        Jacobian.unflatten(*asked)


# --- what is made again, and what a class states about itself -----------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda J: pickle.loads(pickle.dumps(J)),
        copy.deepcopy,
        lambda J: stack([J, J]),
        lambda J: J.astype("f4"),
        lambda J: pickle.loads(pickle.dumps(Chain([EYE, J, EYE]).plan("left"))),
    ],
)
@pytest.mark.parametrize(
    "made",
    [
        lambda cls, spec, arrays, parts, dtype: cls.unchecked(arrays["a"], arrays["a"]),
        lambda cls, spec, arrays, parts, dtype: cls.unchecked(arrays["a"], 2 * arrays["b"]),
    ],
)
def test_numbers_that_are_lost_on_the_way_are_told(call: Any, made: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^Odd\._unflatten: found another b stored than it was given, expected"
    ):
        call(wrong(_unflatten=classmethod(made))(A, B))


def test_a_precision_that_is_lost_on_the_way_is_told() -> None:
    J = wrong(_unflatten=classmethod(lambda cls, spec, arrays, parts, dtype: cls(**arrays)))(A, B)
    assert_array_equal(copy.deepcopy(J).dense(), TRUTH)
    with pytest.raises(ValueError, match=r"^Odd\._unflatten: found another a stored"):
        J.astype("f4")


def test_a_part_that_is_lost_on_the_way_is_told() -> None:
    class Around(Kronecker):
        structure = "Around"

        def _init(self, A: Any, B: Any, *options: Any, **named: Any) -> None:
            self.A, self.B = A, B
            self._set(Spec.of("Around", 9, 9, (), (A.spec, B.spec)), *options, **named)

        @classmethod
        def _unflatten(cls, spec: Spec, arrays: Any, parts: Any, dtype: Any) -> Jacobian:
            return cls.unchecked(parts[0], parts[1] * 2.0)

    with pytest.raises(ValueError, match=r"^Around\._unflatten: found another part 1 stored"):
        copy.deepcopy(Around(Diagonal(A), Diagonal(B)))


def test_specs_of_two_structures_with_one_label_are_told_apart() -> None:
    class Like(BlockDiagonal):
        structure = "Like"

    J = Like([Diagonal(A), Diagonal(B)])
    J.spec = Spec.of("Like", 6, 6, (), J.spec.parts)  # _init of the parent gives its own name
    with pytest.raises(
        ValueError, match=r"Like: its _unflatten made Spec\((.*)\), expected Spec\(\1\), structure=Like"
    ):
        copy.deepcopy(J)


def test_specs_that_differ_in_facts_alone_are_told_apart() -> None:
    def _init(self: Any, a: Any, b: Any, *options: Any, **named: Any) -> None:
        self.a, self.b = a, b
        self._set(Spec.of("Odd", 3, 3, (), total=float(np.sum(a))), *options, **named)

    J = wrong(_init=_init)(A, B)
    with pytest.raises(
        ValueError, match=r"made Spec\(Odd 3×3\), total=12.0, expected Spec\(Odd 3×3\), total=6.0;"
    ):
        J.mapped(lambda array: 2 * array)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("_turned", 3, "text"),
        ("_colour", 3, "text"),
        ("_places", "yes", "True or False"),
        ("_entries", 1, "True or False"),
        ("_on_diagonal", (), "True or False"),
        ("_by_sizes", "no", "True or False"),
    ],
)
def test_what_a_class_states_of_another_type_is_told(name: str, value: Any, expected: str) -> None:
    with pytest.raises(TypeError, match=rf"^Odd\.{name}: found .*, expected {expected}$"):
        wrong(**{name: value})


def test_a_transpose_by_a_name_is_held_to_it() -> None:
    with pytest.raises(ValueError, match=r"^Odd\._turned: structure: found 'Nobody', expected the name"):
        wrong(_turned="Nobody")(A, B)
    J = wrong(_turned="Dense", _transpose=lambda self: self)(A, B)
    with pytest.raises(
        ValueError, match=r"^Odd\._transpose: found Spec\(Odd 3×3\) .* by its _turned, Spec\(Dense"
    ):
        _ = J.T


@pytest.mark.parametrize(
    "call",
    [
        lambda J: J + Diagonal(A),
        lambda J: J.diagonal(),
        lambda J: J.trace(),
        lambda J: J.row_norms(),
    ],
)
@pytest.mark.parametrize("written", [{}, {"_diagonal": lambda self: self.a}])
def test_entries_off_a_diagonal_that_is_stated_are_told(call: Any, written: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^Odd\._on_diagonal: found True, but J·X takes more than the diagonal"
    ):
        call(wrong(_on_diagonal=True, **written)(A, B))
    right = wrong(_on_diagonal=True, _transpose=lambda self: self, **written)(A, 0 * B)
    assert_allclose(right.row_norms(), A)
    assert_allclose((right + Diagonal(A)).dense(), np.diag(2 * A))


def test_a_stated_diagonal_that_is_not_square_is_told() -> None:
    odd = wrong(_on_diagonal=True, _init=set_only(spec=Spec.of("Odd", 3, 4)))
    with pytest.raises(ValueError, match=r"^Odd\._on_diagonal: found True for the shape \(3, 4\), expected"):
        odd(A, B)


def test_a_sum_of_arrays_that_is_none_of_the_matrices_is_told() -> None:
    squared = {
        "_apply": lambda self, columns, ledger: ledger.scale(self.a[..., None] ** 2, columns),
        "_expand": lambda self, ledger, out=None: self.a[..., None] ** 2 * EYE,
    }
    points = np.stack([A, B])
    with pytest.raises(ValueError, match=r"^Odd\._entries: found True, but the sum of its arrays"):
        wrong(_entries=True, **squared)(points, points).summed()
    assert_allclose(
        wrong(_entries=True)(points, points).summed().dense(), wrong()(points, points).dense().sum(axis=0)
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"_idle": lambda self, axis: "all"}, r"Odd\._idle: found 'all', expected which units may leave"),
        (
            {"_idle": lambda self, axis: np.array([True])},
            r"Odd\._idle: found an array of bool of shape \(1,\)",
        ),
        (
            {
                "_idle": lambda self, axis: np.ones(3, dtype=bool),
                "_taken_spec": classmethod(lambda cls, spec, rows, columns: spec),
            },
            r"Odd\._taken_spec: found Spec\(Odd 3×3\) of shape \(3, 3\), expected the spec of what is taken, of shape",
        ),
        (
            {
                "_idle": lambda self, axis: np.ones(3, dtype=bool),
                "_taken_spec": classmethod(
                    lambda cls, spec, rows, columns: Spec.dense(3 if rows is None else rows, 3)
                ),
                "_take": lambda self, rows, columns: BlockDiagonal([Diagonal([1.0]), Dense(np.ones((1, 2)))]),
            },
            r"Odd\._take: found .*, expected the rows and columns, .* by its _taken_spec, Spec\(Dense 2×3\)",
        ),
    ],
)
def test_dead_units_are_left_out_as_a_class_says_or_it_is_told(written: Any, sentence: str) -> None:
    chain = Chain([EYE, Diagonal([1.0, 0.0, 1.0]), wrong(**written)(A, B)])
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
        chain.plan("left", dead_units=True).execute()


def test_what_is_pulled_or_carried_is_held_to_what_is_asked() -> None:
    with pytest.raises(TypeError, match=r"^Odd\._pull: found None, expected Σ Jᵀu, an array of float64"):
        wrong(_pull=nothing)(A, B).rmatvec(A, summed=True)
    carried = wrong(_carried=classmethod(lambda cls, spec: 3))(A, B)
    with pytest.raises(ValueError, match=r"^Odd\._carried: found 3, expected None, or the spec of a part"):
        Chain([EYE] * 70 + [carried]).plan("optimal")


def _count(inner: Any) -> Any:
    return classmethod(lambda cls, spec, columns, batch: Count(inner(spec.shape[0]) * columns, 0))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({}, r"Odd: found an array of shape .* as a size, expected an integer, .* write _apply_cost"),
        (
            {
                "_apply_cost": _count(lambda n: n if n > 1 else 2),
                "_expansion_cost": classmethod(lambda cls, spec: Count(0, 0)),
                "_turned": "Odd",
            },
            r"Odd\._apply_cost: found an error of type ValueError within, expected what J·X costs",
        ),
    ],
)
def test_costs_that_are_no_formulas_of_sizes_are_told(written: Any, sentence: str) -> None:
    chain = Chain([EYE] * 3 + [wrong(_by_sizes=True, **written)(A, B)] * 40 + [EYE] * 20)
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
        chain.plan("optimal")


@pytest.mark.parametrize("put", [row, sum_row])
@pytest.mark.parametrize(
    ("left", "right", "name"), [("Shfit", "Dense", "left"), ("Shift", "Permutation", "right")]
)
def test_a_row_for_a_structure_that_nobody_knows_is_told(put: Any, left: str, right: str, name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^{name}: structure: found '\w+', expected the name .* or take '\*'"
    ):
        put(left, right, "S·A", result=lambda a, b: a, cost=lambda a, b: Cost(0, 0), execute=nothing)
