"""Slips in normalisations, cross entropies, gates, pooling, branches and weights, named first in plain code."""

import numpy as np
import pytest

from verification import check

RNG = np.random.default_rng(3)


def normal(*shape, scale=1.0):
    return RNG.normal(size=shape) * scale


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def named(f, arrays, by, candidate):
    """Return the first sentence on a gradient of Σ dout · f by one of the arrays."""
    arrays = dict(arrays)

    def loss(value):
        given = {**arrays, by: value}
        upstream = given.pop("dout", 1.0)
        return np.sum(upstream * f(**given))

    report = check(loss, arrays[by], candidate.reshape(1, -1), witnesses=["finite-difference"])
    assert report.verdict == "wrong"
    return report.diagnosis.sentence


def right(f, arrays, by, candidate):
    """Return the report on a gradient that is right."""
    given = {name: one for name, one in arrays.items() if name not in ("dout", by)}
    loss = lambda value: np.sum(arrays.get("dout", 1.0) * f(**given, **{by: value}))  # noqa: E731
    return check(loss, arrays[by], candidate.reshape(1, -1), witnesses=["finite-difference"])


# --- normalisations ------------------------------------------------------------------------------------------


def layer_norm(x, g, b):
    centred = x - x.mean(axis=1, keepdims=True)
    return g * centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) + b


def batch_norm(x, g, b):
    return g * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + b


def group_norm(x):
    groups = x.reshape(2, 2, -1)
    mean, var = groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True)
    return ((groups - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)


ROWS = {"x": normal(5, 5), "g": normal(5), "b": normal(5), "dout": normal(5, 5)}
GROUPS = {"x": normal(2, 4, 3), "dout": normal(2, 4, 3)}


def normalised(x, u, axis, slip=""):
    """Return (u − mean u − x̂ mean(x̂ u)) / s, or what a slip makes of it."""

    def mean(values, over=axis):
        return values.mean(axis=over, keepdims=True)

    s = np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)
    hat = (x - mean(x)) / s
    n, other = x.shape[axis], 1 - axis
    return {
        "": lambda: (u - mean(u) - hat * mean(u * hat)) / s,
        "both sums run": lambda: (u - mean(u, other) - hat * mean(u * hat, other)) / s,
        "the sum of u x̂ runs": lambda: (u - mean(u) - hat * mean(u * hat, other)) / s,
        "are not divided by": lambda: (u - n * mean(u) - n * hat * mean(u * hat)) / s,
        "the two sums are exchanged": lambda: (u - mean(u * hat) - hat * mean(u)) / s,
        "x stands for x̂ before the sum": lambda: (u - mean(u) - x * mean(u * hat)) / s,
        "x stands for x̂ in": lambda: (u - mean(u) - hat * mean(u * x)) / s,
        "the variance stands for the standard deviation": lambda: (u - mean(u) - hat * mean(u * hat)) / s**2,
        "the division by the standard deviation": lambda: u - mean(u) - hat * mean(u * hat),
        "held constant": lambda: u / s,
    }[slip]()


SLIPS = [
    "both sums run", "the sum of u x̂ runs", "are not divided by", "the two sums are exchanged",
    "x stands for x̂ before the sum",
    "x stands for x̂ in", "the variance stands for the standard deviation", "the division by the standard deviation",
    "held constant",
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize(("f", "axis"), [(layer_norm, 1), (batch_norm, 0)])
def test_a_slip_in_the_derivative_of_a_normalisation_is_named(f, axis, slip):
    u = ROWS["dout"] * ROWS["g"]
    assert slip in named(f, ROWS, "x", normalised(ROWS["x"], u, axis, slip))


def test_a_right_normalisation_gets_no_name():
    for f, axis in ((layer_norm, 1), (batch_norm, 0)):
        report = right(f, ROWS, "x", normalised(ROWS["x"], ROWS["dout"] * ROWS["g"], axis))
        assert report.verdict == "right"
        assert report.diagnosis is None


@pytest.mark.parametrize(
    ("divided", "says"), [(2, "the sums are divided by 2, expected 6"), (5, "divided by 5")]
)
def test_a_wrong_count_in_a_normalisation_of_groups_is_named(divided, says):
    x, u = (GROUPS[name].reshape(2, 2, -1) for name in ("x", "dout"))
    s = np.sqrt(x.var(axis=2, keepdims=True) + 1e-5)
    hat = (x - x.mean(axis=2, keepdims=True)) / s
    sums = [values.sum(axis=2, keepdims=True) / divided for values in (u, u * hat)]
    assert says in named(group_norm, GROUPS, "x", (u - sums[0] - hat * sums[1]) / s)


# --- softmax and cross entropies -------------------------------------------------------------------------------

LABELS = np.array([0, 2, 1, 2])
SCORES = {"z": normal(4, 3)}
ATTENTION = {"z": normal(4, 4), "dout": normal(4, 4)}
HOT = np.eye(3)[LABELS]
SMOOTH = 0.9 * HOT + 0.1 / 3


def cross_entropy(z):
    shifted = z - z.max(axis=1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(4), LABELS]).sum() / 4


def smoothed(z):
    top = z.max(axis=1, keepdims=True)
    return -np.sum(SMOOTH * (z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True)))) / 4


P = softmax(SCORES["z"])


@pytest.mark.parametrize(
    ("f", "gradient", "says"),
    [
        (cross_entropy, P, "the target is not subtracted: p stands for p − y"),
        (cross_entropy, SCORES["z"] - HOT, "the scores stand for their softmax"),
        (cross_entropy, -HOT * (1 - P), "the softmax is taken entry by entry"),
        (cross_entropy, (P - HOT) * P * (1 - P), "p (1 − p) is a factor of p − y too much"),
        (cross_entropy, P - np.eye(3)[LABELS].any(axis=0), "1 is subtracted in the columns of all labels"),
        (smoothed, P, "the target is not subtracted"),
        (smoothed, P - HOT, "the labels are not smoothed"),
        (smoothed, P - np.where(HOT, 0.9, 0.05), "ε is spread over 2 classes, expected 3"),
        (smoothed, -SMOOTH * (1 - P), "entry by entry"),
    ],
)
def test_a_slip_in_the_gradient_of_a_cross_entropy_is_named(f, gradient, says):
    assert says in named(f, SCORES, "z", gradient / 4)
    assert right(f, SCORES, "z", (P - (HOT if f is cross_entropy else SMOOTH)) / 4).verdict == "right"


@pytest.mark.parametrize(
    ("pull", "says"),
    [
        (lambda u, p: u - (u * p).sum(axis=1, keepdims=True), "the factor p is left out"),
        (lambda u, p: p * (u - u.sum(axis=1, keepdims=True)), "the p in the sum is left out"),
        (
            lambda u, p: p * (u - (u * p).sum(axis=0, keepdims=True)),
            "the sum runs over axis 0, expected axis 1",
        ),
        (lambda u, p: p * (u + (u * p).sum(axis=1, keepdims=True)), "the sign of the sum is wrong"),
        (lambda u, p: u, "the derivative of softmax() is left out"),
    ],
)
def test_a_slip_in_the_derivative_of_softmax_is_named(pull, says):
    assert says in named(softmax, ATTENTION, "z", pull(ATTENTION["dout"], softmax(ATTENTION["z"])))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (lambda z: np.ones_like(z), "the weights softmax(x) are left out"),
        (lambda z: softmax(z, axis=0), "the softmax runs over axis 0, expected axis 1"),
    ],
)
def test_a_slip_in_the_derivative_of_log_sum_exp_is_named(weights, says):
    def log_sum_exp(z):
        top = z.max(axis=1)
        return top + np.log(np.exp(z - top[:, None]).sum(axis=1))

    arrays = {"z": normal(4, 3), "dout": normal(4)}
    assert says in named(log_sum_exp, arrays, "z", arrays["dout"][:, None] * weights(arrays["z"]))


# --- branches, weights, windows, products ------------------------------------------------------------------------

REGRESSION = {"w": normal(3), "X": normal(9, 3, scale=2), "y": normal(9), "v": np.abs(normal(9))}


def huber(w, X, y, v):
    r = X @ w - y
    return np.mean(np.where(np.abs(r) <= 0.7, 0.5 * r**2, 0.7 * (np.abs(r) - 0.35)))


def weighted(w, X, y, v):
    return np.sum(v * (X @ w - y) ** 2) / np.sum(v)


def by_w(slope):
    X, y, v, w = (REGRESSION[name] for name in "Xyvw")
    return X.T @ slope(X @ w - y, v)


@pytest.mark.parametrize(
    ("f", "slope", "says"),
    [
        (huber, lambda r, v: r / 9, "the condition of where is not looked at"),
        (huber, lambda r, v: np.where(np.abs(r) > 0.7, r, 0.7 * np.sign(r)) / 9, "of where is turned round"),
        (huber, lambda r, v: np.where(np.abs(r) <= 0.7, r, 0.7) / 9, "the derivative of absolute is left out"),
        (weighted, lambda r, v: 2 * r / 9, "v is left out wherever it is a weight"),
        (weighted, lambda r, v: 2 * r / v.sum(), "the factor v is left out"),
    ],
)  # fmt: skip
def test_a_slip_with_a_branch_or_a_weight_is_named(f, slope, says):
    assert says in named(f, REGRESSION, "w", by_w(slope))


def average_pool(x):
    return np.array([[x[i : i + 2, j : j + 2].mean() for j in range(3)] for i in range(3)])


@pytest.mark.parametrize(
    ("share", "says"),
    [
        (lambda w: 1.0 * (w == w.max()), "mean is taken as max: the largest of 4 entries gets all"),
        (lambda w: np.eye(2)[:1].T @ np.eye(2)[:1], "only the first of 4 entries counts in mean, undivided"),
    ],
)
def test_a_slip_in_average_pooling_is_named(share, says):
    arrays = {"x": normal(4, 4), "dout": normal(3, 3)}
    gradient = np.zeros((4, 4))
    for i, j in np.ndindex(3, 3):
        gradient[i : i + 2, j : j + 2] += arrays["dout"][i, j] * share(arrays["x"][i : i + 2, j : j + 2])
    assert says in named(average_pool, arrays, "x", gradient)


def test_a_border_that_is_cut_off_at_one_side_is_named():
    def padded_squares(x):
        return np.pad(x, 1) ** 2 * np.arange(25.0).reshape(5, 5) + np.pad(x, 1).sum() * np.pad(x, 1)

    arrays = {"x": normal(3, 3), "dout": normal(5, 5)}
    xp = np.pad(arrays["x"], 1)
    whole = arrays["dout"] * (2 * xp * np.arange(25.0).reshape(5, 5) + xp.sum()) + np.sum(arrays["dout"] * xp)
    assert right(padded_squares, arrays, "x", whole[1:-1, 1:-1]).verdict == "right"
    assert "the border is cut off at the last rows and columns" in named(
        padded_squares, arrays, "x", whole[:-2, :-2]
    )


def recurrent(x, h, W, V):
    outputs = []
    for t in range(4):
        h = np.tanh(x[t] + h @ W)
        outputs.append(h @ V)
    return np.stack(outputs)


def test_the_state_before_at_the_output_of_a_recurrent_net_is_named():
    arrays = {"x": normal(4, 3), "h": normal(3), "W": normal(3, 3), "V": normal(3, 2), "dout": normal(4, 2)}
    states = [arrays["h"]]
    for t in range(4):
        states.append(np.tanh(arrays["x"][t] + states[-1] @ arrays["W"]))
    wrong = sum(np.outer(states[t], arrays["dout"][t]) for t in range(4))
    assert right(recurrent, arrays, "V", np.stack(states[1:]).T @ arrays["dout"]).verdict == "right"
    assert "h_{t−1} for h_t" in named(recurrent, arrays, "V", wrong)


FACTORS = {"U": normal(5, 2), "V": normal(5, 2), "R": normal(5, 5)}


def factorised(U, V, R):
    return np.sum((R - U @ V.T) ** 2)


def test_a_parameter_that_was_updated_before_it_is_used_anywhere_is_named():
    U, V, R = (FACTORS[name] for name in "UVR")
    later = U + 0.02 * (R - U @ V.T) @ V
    said = named(factorised, FACTORS, "V", -2 * (R - later @ V.T).T @ later)
    assert said == "U was updated before: U − 0.01·∂/∂U stands for it everywhere"


BATCHES = {"A": normal(3, 4, 4), "B": normal(3, 4, 4), "c": normal(4), "dout": normal(3, 4)}


@pytest.mark.parametrize(
    ("by", "formula", "says"),
    [
        ("A", "bi,bjk->bij", "the factor c is left out: ones stand for it at einsum"),
        ("B", "bi,bij,k->bkj", "the answer is transposed in its axes 1 and 2"),
        ("B", "bi,bij,k->jk", "it is summed over axis 0, which the answer has"),
        ("A", "bi,cjk,k->bij", "B is summed over axis 0 at einsum"),
    ],
)
def test_a_slip_in_the_derivative_of_a_sum_of_products_is_named(by, formula, says):
    def products(A, B, c):
        return np.einsum("bij,bjk,k->bi", A, B, c)

    other = BATCHES["B" if by == "A" else "A"]
    operands = [BATCHES["dout"], other, BATCHES["c"]][: formula.count(",") + 1]
    candidate = np.einsum(formula, *operands)
    arrays = dict(BATCHES)
    loss = lambda value: np.sum(  # noqa: E731
        arrays["dout"] * products(**{**{k: v for k, v in arrays.items() if k != "dout"}, by: value})
    )
    report = check(loss, arrays[by], candidate if candidate.ndim < 3 else candidate.reshape(1, -1))
    assert report.verdict == "wrong"
    assert says in report.diagnosis.sentence
