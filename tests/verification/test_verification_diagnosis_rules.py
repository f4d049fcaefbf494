"""The rules by which mistakes are looked for, one by one: what is compared and what ranks before what."""

import re

import numpy as np
import pytest

from verification import check
from verification.diagnosis.constant_factors import Factors
from verification.diagnosis.graph_search import Fit, Search, Target, ranked
from verification.diagnosis.hypotheses import USES, Hypothesis, hypotheses
from verification.diagnosis.layouts import forms
from verification.diagnosis.mistakes import Mistake
from verification.diagnosis.tape import tape_of
from verification.diagnosis.two_mistakes import two_mistakes
from verification.diagnosis.values import with_values

RNG = np.random.default_rng(12)


def normal(*shape, scale=1.0):
    return RNG.normal(size=shape) * scale


def diagnosis(f, x, wrong):
    report = check(f, x, np.reshape(wrong, (1, -1)), witnesses=["finite-difference"])
    assert report.verdict == "wrong"
    return report.diagnosis


# --- values that are replaced ------------------------------------------------------------------------------

W, S = normal(3, 4), normal(3, 3)


def squares(x):
    return np.tanh(W @ x) ** 2


def after(y):
    sign, size = np.linalg.slogdet(S + np.outer(y, y))
    return sign * size * np.sum(y) + np.mean(y * y)


@pytest.mark.parametrize("seed", range(3))
def test_what_follows_from_a_replaced_value_is_what_the_code_gives_with_it(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=4), rng.normal(size=3)
    tape = tape_of(lambda x: after(squares(x)), x)
    own = squares(x)
    (vertex,) = (
        k for k, value in enumerate(tape.values) if np.shape(value) == (3,) and np.array_equal(value, own)
    )
    made = with_values(tape, {vertex: y})
    np.testing.assert_allclose(made.values[made.output], after(y), rtol=1e-12)
    for before, now in zip(tape.values, made.values, strict=True):
        assert np.shape(before) == np.shape(now)
    step = 1e-6 * np.eye(3)
    slope = np.array([after(y + e) - after(y - e) for e in step]) / 2e-6
    z = np.tanh(W @ x)
    rows = made.adjoints(np.ones((1, 1)))[0]
    np.testing.assert_allclose(rows, (slope * 2 * z * (1 - z**2) @ W)[None], rtol=1e-6)


# --- steps of loops ----------------------------------------------------------------------------------------


def recurrent(h, X, V):
    def loss(R):
        state = h
        for row in X:
            state = np.tanh(state @ R + row)
        return np.sum(V * state)

    return loss


def recurrent_gradient(h, X, V, R, taken):
    """Return ∂/∂R with another state in place of the one before each step: by its number, 0 for the first."""
    states = [h]
    for row in X:
        states.append(np.tanh(states[-1] @ R + row))
    carried, found = V, np.zeros_like(R)
    for t in reversed(range(len(X))):
        dz = carried * (1 - states[t + 1] ** 2)
        found += np.outer(states[taken(t)], dz)
        carried = dz @ R.T
    return found


@pytest.mark.parametrize("length", [2, 3, 6, 9])
@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (lambda t: t + 1, "h_t for h_{t−1}"),
        (lambda t: max(t - 1, 0), "h_{t−2} for h_{t−1}"),
    ],
)
def test_another_step_of_a_loop_of_any_length_is_named(length, taken, words):
    h, X, V, R = normal(3), normal(length, 3, scale=0.5), normal(3), normal(3, 3, scale=0.6)
    f = recurrent(h, X, V)
    right = recurrent_gradient(h, X, V, R, lambda t: t)
    assert check(f, R, right.reshape(1, -1), witnesses=["finite-difference"]).passed
    assert words in diagnosis(f, R, recurrent_gradient(h, X, V, R, taken)).sentence


def chained(count):
    weights = [normal(4, 4, scale=0.7) for _ in range(count)]

    def f(x):
        for one in weights:
            x = np.tanh(one @ x)
        return np.sum(x**2)

    def gradient(x, left_out):
        states = [x]
        for one in weights:
            states.append(np.tanh(one @ states[-1]))
        row = 2 * states[-1]
        for k in reversed(range(count)):
            row = (row if k in left_out else row * (1 - states[k + 1] ** 2)) @ weights[k]
        return row

    return f, gradient


@pytest.mark.parametrize("count", [2, 3, USES])
def test_the_one_step_of_a_loop_at_which_a_slope_is_left_out_is_named(count):
    f, gradient = chained(count)
    x = normal(4)
    for k in range(count):
        assert f"time {k + 1} of {count}" in diagnosis(f, x, gradient(x, {k})).sentence
    if count > 2:
        assert (
            f"but for the first of {count} times"
            in diagnosis(f, x, gradient(x, set(range(1, count)))).sentence
        )


@pytest.mark.parametrize("count", [2, USES, USES + 1, 12])
def test_single_steps_are_tried_all_in_a_short_loop_and_at_the_ends_of_a_long_one(count):
    f, _ = chained(count)
    sentences = [one.sentence for one in hypotheses(tape_of(f, normal(4)))]
    tried = {int(k) for one in sentences for k in re.findall(rf"time (\d+) of {count}\)", one)}
    assert tried == (set(range(1, count + 1)) if count <= USES else {1, count})


# --- products ----------------------------------------------------------------------------------------------

A, B = normal(3, 3), normal(3, 3)
PRODUCTS = {
    "*": (lambda x: np.sin(x) * np.exp(x), lambda x, d: np.cos(x) * d * np.exp(x),
          lambda x, d: np.sin(x) * np.exp(x) * d),
    "/": (lambda x: np.sin(x) / (2 + x**2), lambda x, d: np.cos(x) * d / (2 + x**2),
          lambda x, d: -np.sin(x) * 2 * x * d / (2 + x**2) ** 2),
    "@": (lambda x: np.sin(x) @ np.exp(x), lambda x, d: (np.cos(x) * d) @ np.exp(x),
          lambda x, d: np.sin(x) @ (np.exp(x) * d)),
}  # fmt: skip


@pytest.mark.parametrize("kept", [1, 2])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_term_of_a_product_of_two_functions_of_x_is_called_one_of_the_product_rule(name, kept):
    rule, x = PRODUCTS[name], normal(3, 3)
    weights = normal(3, 3)
    one = [np.sum(weights * rule[kept](x, unit)) for unit in np.eye(9).reshape(9, 3, 3)]
    assert (
        "a term of the product rule is left out"
        in diagnosis(lambda x: np.sum(weights * rule[0](x)), x, one).sentence
    )


def test_a_path_through_a_product_with_a_number_is_none_of_the_product_rule():
    sentences = [
        one.sentence for one in hypotheses(tape_of(lambda x: np.sum(np.sin(x) * 3.0 / 7.0), normal(4)))
    ]
    assert (
        sum(
            "the path by " in one and re.search(r"through [*/] is left out", one) is not None
            for one in sentences
        )
        == 2
    )
    assert not [one for one in sentences if "product rule" in one]


# --- ranks -------------------------------------------------------------------------------------------------


def program(x):
    y = np.tanh(A @ x)
    return np.sum(y * np.exp(-((B @ x) ** 2))) / np.sum(2 + y**2) - 0.1 * np.sum(x**2)


def search_of(f, x, candidates, factors=None):
    tape = tape_of(f, x)
    right = tape.adjoints(np.ones((1, 1)))[0]
    targets = [Target(0.0, "", "", np.reshape(one, (1, -1))) for one in candidates]
    search = Search(tape, right, np.ones((1, 1)), targets, factors or {-1.0: "−1", 2.0: "2", 0.5: "½"})
    assert search.agrees()
    return search, right


def test_a_mistake_beside_a_factor_ranks_behind_every_mistake_alone():
    x = normal(3)
    found = hypotheses(tape_of(program, x))
    alone, both = [], []
    for one in found:
        search, right = search_of(program, x, [np.ones(3)])
        given = search.predicted(one)
        if np.linalg.norm(given - right) < 1e-6 or np.linalg.norm(given) < 1e-6:
            continue
        search, _ = search_of(program, x, [given, 2 * given])
        search.consider(given, one.cost, one.name, one.sentence)
        for fit in search.fits:
            (both if fit.sentence.startswith("two mistakes") else alone).append(fit.cost)
    assert len(alone) > 20
    assert len(both) > 20
    assert max(alone) < min(both)


# --- two mistakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_two_mistakes_are_told_only_where_they_give_the_candidate(seed):
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(3, 4))
    guesses = [Mistake(f"guess-{k}", f"guess {k}", rng.normal(size=(3, 4))) for k in range(4)]
    factors, weights = Factors.of(3, 4, 7), np.ones((3, 1))

    def told(found):
        pairs = two_mistakes(found, right, guesses, forms(found, (3,), (4,)), factors, weights, 1e-4)
        return {one.name for one in pairs}

    assert told(rng.normal(size=(3, 4))) == told(rng.normal(size=(4, 3))) == set()
    for guess in guesses:
        assert told(guess.matrix.T) == {f"transposed+{guess.name}"}
        assert told(-guess.matrix) == {f"{guess.name}+sign"}
        assert told(2 * guess.matrix) == {f"{guess.name}+factor"}
        assert told(guess.matrix.T * 1.01) == set()
    assert told(-right.T) == {"transposed+sign"}
    assert told(right.T) == set()


# --- paths that carry nothing ------------------------------------------------------------------------------


def test_paths_that_carry_nothing_alone_but_something_together_are_not_all_left_out():
    c = normal(4)

    def f(x):
        p, q = 2.0 * x, x + x
        first = p - q
        return np.sum(c * x**3) + np.sum(np.sin(c) * (first - p)) + np.sum(np.sin(c) * p)

    x = normal(4)
    right = 3 * c * x**2
    search, found = search_of(f, x, [right + normal(4)])
    np.testing.assert_allclose(found[0], right, atol=1e-12)
    search.run()
    assert np.linalg.norm(search.predicted(Hypothesis(0, "", "", search.null, {}))[0] - right) < 1e-9


# --- what a path carries, and what is added ----------------------------------------------------------------

M = normal(3, 4)


def of_matrix(theta):
    return np.sum(np.tanh(theta) * M) + np.sum(np.sin(theta @ M.T) ** 2)


def of_matrix_gradient(theta):
    """Return the shares of the two terms."""
    return M * (1 - np.tanh(theta) ** 2), np.sin(2 * theta @ M.T) @ M


@pytest.mark.parametrize(
    ("factor", "words"),
    [(2, "has a factor 2 too much"), (-1, "wrong"), (0.5, "has a factor ½ too much"), (4, "has a factor 4 too much"),
     (0, "left out"), (1.7, None), (-3.1, None)],
)  # fmt: skip
@pytest.mark.parametrize("term", [0, 1])
def test_a_path_with_a_factor_is_named_where_the_factor_has_a_reason(factor, words, term):
    theta = normal(3, 4)
    shares = of_matrix_gradient(theta)
    found = diagnosis(of_matrix, theta, shares[1 - term] + factor * shares[term])
    if words is None:
        assert "too much" not in found.sentence
        assert "left out" not in found.sentence
    else:
        assert any(words in one for one in (found.sentence, *found.others))


PARTS = {
    "x": lambda x: x,
    "the first row of x": lambda x: np.diag([1, 0, 0]) @ x,
    "the last row of x": lambda x: np.diag([0, 0, 1]) @ x,
    "the first column of x": lambda x: x @ np.diag([1, 0, 0, 0]),
    "the last column of x": lambda x: x @ np.diag([0, 0, 0, 1]),
    "x without its first row": lambda x: np.diag([0, 1, 1]) @ x,
    "x without its last row": lambda x: np.diag([1, 1, 0]) @ x,
    "x without its first column": lambda x: x @ np.diag([0, 1, 1, 1]),
    "x without its last column": lambda x: x @ np.diag([1, 1, 1, 0]),
}


@pytest.mark.parametrize("weight", [0.37, -0.37, 1e-3])
@pytest.mark.parametrize("part", PARTS)
def test_a_multiple_of_any_part_of_the_parameter_is_told_as_a_regularisation(part, weight):
    x = normal(3, 4)
    f = lambda x: of_matrix(x)  # noqa: E731
    off = weight * PARTS[part](x)
    found = diagnosis(f, x, sum(of_matrix_gradient(x)) + off)
    ending = "is there that should not be" if weight > 0 else "is missing"
    assert found.sentence == f"regularisation: {abs(weight):.6g} times {part} {ending}"
    both = diagnosis(f, x, of_matrix_gradient(x)[0] + off)
    assert both.sentence.startswith(
        f"two mistakes: regularisation: {abs(weight):.6g} times {part} {ending}, and "
    )


def test_a_regularisation_beside_a_path_ranks_behind_every_mistake_alone():
    x = normal(3, 4)
    share, _ = of_matrix_gradient(x)
    search, _ = search_of(of_matrix, x, [share + 0.37 * x])
    search.run()
    beside = [fit.cost for fit in search.fits if fit.sentence.startswith("two mistakes: regularisation")]
    assert beside
    assert min(beside) > max(one.cost for one in hypotheses(tape_of(of_matrix, x)))


UPSTREAM = normal(5)


def centred(x):
    first, second, third = np.mean(x), np.sum(x * x), np.max(x)
    return UPSTREAM @ (np.sin(x) * first + np.cos(x) * second + np.exp(x) * third)


def test_statistics_that_are_held_constant_are_told_by_twos_and_all():
    x = normal(5)
    n = len(x)
    own = UPSTREAM * (np.cos(x) * np.mean(x) - np.sin(x) * np.sum(x * x) + np.exp(x) * np.max(x))
    shares = [
        UPSTREAM @ np.sin(x) / n + 0 * x,
        UPSTREAM @ np.cos(x) * 2 * x,
        UPSTREAM @ np.exp(x) * (x == x.max()),
    ]
    names = ["mean", "sum", "max"]
    assert check(centred, x, (own + sum(shares))[None], witnesses=["finite-difference"]).passed
    for held in [(0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        found = diagnosis(centred, x, own + sum(shares[k] for k in range(3) if k not in held))
        assert "constant" in found.sentence, found
        assert [k for k in range(3) if f"{names[k]} in line" in found.sentence] == list(held)


# --- what fits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "fits"), [(0, True), (1e-6, True), (2e-4, False), (1e-2, False), (0.1, False)]
)
def test_a_prediction_fits_as_far_as_little_of_the_deviation_is_left(off, fits):
    x = normal(3)
    direction = normal(1, 3)
    _, right = search_of(program, x, [np.ones(3)])
    given = right + normal(1, 3)
    size = min(np.linalg.norm(given - right), np.linalg.norm(given))
    search, _ = search_of(program, x, [given + off * size * direction / np.linalg.norm(direction)])
    assert search.consider(given, 1.0, "name", "sentence") is fits
    assert search.fits == ([Fit(1.0, "name", "sentence")] if fits else [])
    assert not search.consider(right, 1.0, "name", "that changes nothing")
    assert not search.consider(np.full((1, 3), np.nan), 1.0, "name", "that has no numbers")


def test_what_is_right_already_and_another_function_are_not_explained():
    x = normal(3)
    tape = tape_of(program, x)
    right = tape.adjoints(np.ones((1, 1)))[0]
    targets = [Target(0.0, "", "", right + 1.0), Target(0.3, "form", "a form", right)]
    search = Search(tape, right, np.ones((1, 1)), targets, {})
    assert search.agrees()
    assert [one.name for one in search.targets] == [""]
    assert not Search(tape, right * (1 + 1e-3), np.ones((1, 1)), targets, {}).agrees()


@pytest.mark.parametrize("seed", range(5))
def test_fits_are_told_once_by_cost_and_then_by_length(seed):
    rng = np.random.default_rng(seed)
    fits = [Fit(float(rng.integers(3)), "name", "s" * int(rng.integers(1, 5))) for _ in range(20)]
    told = ranked(fits)
    assert {one.sentence for one in told} == {one.sentence for one in fits}
    assert len({one.sentence for one in told}) == len(told)
    for one in told:
        assert one.cost == min(other.cost for other in fits if other.sentence == one.sentence)
    keys = [(one.cost, len(one.sentence)) for one in told]
    assert keys == sorted(keys)
