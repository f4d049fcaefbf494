"""Calls of every row of the table of operations, and programs in plain NumPy as a textbook writes them."""

import numpy as np
import scipy.special as sp
from numpy.lib.stride_tricks import sliding_window_view

V = np.array([0.3, 0.7, 0.45, 0.62])
M = np.array([[0.9, 0.2, 0.35], [0.4, 0.8, 0.15], [0.25, 0.55, 0.7]])
R = np.array([[0.31, 0.72, 0.53], [0.64, 0.25, 0.96]])
T = np.array([[[0.31, 0.72, 0.53], [0.64, 0.25, 0.96]], [[0.11, 0.42, 0.83], [0.57, 0.38, 0.19]]])

ONE = {  # a row, and a call of it at points where it is smooth
    name: (getattr(np, name), V)
    for name in [
        "positive",
        "negative",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "cbrt",
        "square",
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arctanh",
        "absolute",
        "fabs",
        "deg2rad",
        "radians",
        "rad2deg",
        "degrees",
        "sinc",
        "conjugate",
    ]
}
ONE["arccosh"] = (lambda x: np.arccosh(x + 2), V)
TWO = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "float_power",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "arctan2",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "copysign",
    "remainder",
    "fmod",
]
SPECIAL = ["expit", "logit", "log_expit", "erf", "erfc", "ndtr", "log_ndtr", "gammaln", "gamma", "entr",
           "erfinv", "erfcx", "ndtri", "exp10"]  # fmt: skip
SPECIAL_TWO = ["xlogy", "xlog1py", "rel_entr", "kl_div", "beta", "betaln"]
MORE = {
    "clip": [(lambda x: np.clip(x, 0.4, 0.65), V)],
    "reshape": [(lambda x: np.reshape(x, (3, 2)), R), (lambda x: x.reshape(-1, 2), R)],
    "ravel": [(np.ravel, R)],
    "transpose": [(lambda x: x.T, R), (lambda x: x.transpose(2, 0, 1), T)],
    "swapaxes": [(lambda x: np.swapaxes(x, 0, 2), T)],
    "moveaxis": [(lambda x: np.moveaxis(x, 0, 2), T)],
    "rollaxis": [(lambda x: np.rollaxis(x, 2), T)],
    "expand_dims": [(lambda x: np.expand_dims(x, 0), R)],
    "squeeze": [(lambda x: np.squeeze(x[None]), R)],
    "broadcast_to": [(lambda x: np.broadcast_to(x, (2, 4)), V)],
    "flip": [(lambda x: np.flip(x, 1), R)],
    "fliplr": [(np.fliplr, R)],
    "flipud": [(np.flipud, R)],
    "rot90": [(np.rot90, R)],
    "diagonal": [(np.diagonal, M)],
    "atleast_1d": [(np.atleast_1d, V)],
    "atleast_2d": [(np.atleast_2d, V)],
    "atleast_3d": [(np.atleast_3d, V)],
    "split": [(lambda x: np.split(x, 2)[0] * np.split(x, 2)[1], V)],
    "array_split": [(lambda x: np.array_split(x, 3)[1] ** 2, V)],
    "hsplit": [(lambda x: np.hsplit(x, 3)[1] ** 2, R)],
    "vsplit": [(lambda x: np.vsplit(x, 2)[1] ** 2, R)],
    "roll": [(lambda x: np.roll(x, 1, axis=1), R)],
    "repeat": [(lambda x: np.repeat(x, 2, axis=0), R)],
    "tile": [(lambda x: np.tile(x, (2, 2)), R)],
    "resize": [(lambda x: np.resize(x, (3, 3)), V)],
    "take": [(lambda x: np.take(x, [2, 0, 0], axis=1), R)],
    "take_along_axis": [(lambda x: np.take_along_axis(x, np.array([[2], [0]]), 1), R)],
    "diag": [(np.diag, V), (np.diag, M)],
    "diagflat": [(np.diagflat, V)],
    "tril": [(np.tril, M)],
    "triu": [(np.triu, M)],
    "delete": [(lambda x: np.delete(x, 1), V)],
    "sliding_window_view": [(lambda x: sliding_window_view(x, (2, 2)), M)],
    "copy": [(lambda x: x.copy(), V)],
    "concatenate": [(lambda a, b: np.concatenate([a, b, a]), V, V[:2] + 0.1)],
    "stack": [(lambda a, b: np.stack([a, np.ones(4), b], axis=1), V, V + 0.1)],
    "hstack": [(lambda a, b: np.hstack([a, b]), V, V[:2] + 0.1)],
    "vstack": [(lambda a, b: np.vstack([a, b]), V, V + 0.1)],
    "dstack": [(lambda a, b: np.dstack([a, b]), V, V + 0.1)],
    "column_stack": [(lambda a, b: np.column_stack([a, b]), V, V + 0.1)],
    "append": [(lambda a, b: np.append(a, b), V, V[:2] + 0.1)],
    "insert": [(lambda a, b: np.insert(a, 1, b), V, V[1])],
    "block": [(lambda a: np.block([[a, 2 * a], [np.zeros((2, 3)), a]]), R)],
    "where": [(lambda a, b: np.where(a > b, a, b), V, V[::-1].copy())],
    "pad": [(lambda x: np.pad(x, 1), R), (lambda x: np.pad(x, 2, mode="edge"), V)],
    "sort": [(np.sort, V), (lambda x: np.sort(x, axis=0), R)],
    "sum": [(np.sum, R), (lambda x: x.sum(axis=0), R), (lambda x: x.sum(axis=(0, 2), keepdims=True), T)],
    "mean": [(np.mean, R), (lambda x: x.mean(axis=1, keepdims=True), R)],
    "prod": [(np.prod, R), (lambda x: x.prod(axis=0), R), (np.prod, V * [1, 0, 1, 1])],
    "max": [(np.max, R), (lambda x: x.max(axis=1), R)],
    "min": [(np.min, R), (lambda x: x.min(axis=0), R)],
    "amax": [(np.amax, R)],
    "amin": [(np.amin, R)],
    "var": [(np.var, R), (lambda x: x.var(axis=0, ddof=1), R)],
    "std": [(np.std, R), (lambda x: x.std(axis=1), R)],
    "linalg.norm": [
        (np.linalg.norm, V),
        (np.linalg.norm, M),
        (lambda x: np.linalg.norm(x, axis=1), R),
        (lambda x: np.linalg.norm(x, ord=1), V),
    ]
    + [(lambda x, p=p: np.linalg.norm(x - 0.47, p), V) for p in (3, 1.5, -1, np.inf, -np.inf)]
    + [(lambda X, p=p: np.linalg.norm(X - 0.5, p, axis=0), R) for p in (3, np.inf)]
    + [(lambda A, p=p: np.linalg.norm(A - 0.5, p), R) for p in ("fro", 1, -1, np.inf, -np.inf)]
    + [(lambda A, p=p: np.linalg.norm(A, p, axis=(0, 2)), T) for p in (1, -np.inf)],
    "cumprod": [(np.cumprod, V * [1, 0, 1, 1]), (lambda x: np.cumprod(x, axis=0), R)],
    "gradient": [(np.gradient, V), (lambda x: np.gradient(x, 0.3, axis=1), R)],
    "cumsum": [(np.cumsum, V), (lambda x: np.cumsum(x, axis=1), R)],
    "diff": [(np.diff, V)],
    "trace": [(np.trace, M)],
    "matmul": [(np.matmul, R, M), (np.matmul, R, V[:3]), (np.matmul, V[:2], R), (np.matmul, V, V), (np.matmul, T, M),
               (np.matmul, M[:2, :2], T), (np.matmul, T, T.mT.copy()), (np.matmul, V[:2], T), (np.matmul, T, V[:3]),
               (np.matmul, T[:, None], T.mT[None].copy()), (np.matmul, T[:1], T.mT.copy())],
    "dot": [(np.dot, R, M), (np.dot, V, V), (np.dot, T, T.mT.copy()), (np.dot, V[0], V), (np.dot, V[:3], T.mT.copy())],
    "outer": [(np.outer, V, R)],
    "einsum": [(lambda a, b: np.einsum("bij,jk->bik", a, b), T, M), (lambda a: np.einsum("ii->i", a), M)]
    + [(lambda a, spec=spec: np.einsum(spec, a), M) for spec in ("ii", "ij->ji", "ij->i", "ij->", "ji", "i...->...i")]
    + [(lambda a, b, spec=spec: np.einsum(spec, a, b), T, T + 0.1)
       for spec in ("bij,bkj->bik", "bij,bij->b", "bij,bij->bij", "bij,cij->bc", "bij,bij->", "bij,kij->bjk",
                    "bij,cdj->ibc", "...i,...i->...", "bij,bkl->kbi", "b...,b...->...")]
    + [(lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c), R, M, V[:3]),
       (lambda a, s: np.einsum("ij,->ij", a, s), R, V[0]),
       (lambda a, b: np.einsum("...i,...i->...", a, b), T, T[:1] + 0.1),
       (lambda a, b: np.einsum("iij,j->i", np.stack([a, 2 * a]), b), R, V[:3])],
    "inner": [(np.inner, R, R), (np.inner, V, V), (np.inner, V[0], R)],
    "vdot": [(np.vdot, V, V)],
    "tensordot": [(lambda a, b: np.tensordot(a, b, axes=([1], [0])), T, R),
                  (lambda a, b: np.tensordot(a, b), T, R), (lambda a, b: np.tensordot(a, b, axes=0), R, V),
                  (lambda a, b: np.tensordot(a, b, axes=(2, -1)), T, R)],
    "kron": [(np.kron, R, M), (np.kron, V, R)],
    "convolve": [(lambda a, b, mode=mode: np.convolve(a, b, mode=mode), a, b) for mode in ("full", "same", "valid")
                 for a, b in ((V, V[:3]), (V[:2], V), (V, V[:2]), (V, V))],
    "correlate": [(lambda a, b, mode=mode: np.correlate(a, b, mode=mode), a, b) for mode in ("full", "same", "valid")
                  for a, b in ((V, V[:3]), (V, V[:2]), (V, V))],
    "cross": [(np.cross, V[:3], V[1:])],
    "linalg.inv": [(np.linalg.inv, M)],
    "linalg.det": [(np.linalg.det, M)],
    "linalg.slogdet": [(lambda A: np.linalg.slogdet(A)[1], M)],
    "linalg.solve": [(np.linalg.solve, M, V[:3]), (np.linalg.solve, M, R.T.copy())],
    "linalg.cholesky": [(lambda A: np.linalg.cholesky(A @ A.T), M)],
}  # fmt: skip
SCIPY = {
    "logsumexp": [(lambda x: sp.logsumexp(x), V), (lambda x: sp.logsumexp(x, axis=1), R)],
    "softmax": [
        (lambda x: sp.softmax(x), V),
        (lambda x: sp.softmax(x, axis=1), R),
        (lambda x: sp.softmax(x, axis=0), R),
    ],
    "log_softmax": [
        (lambda x: sp.log_softmax(x), V),
        (lambda x: sp.log_softmax(x, axis=1), R),
        (lambda x: sp.log_softmax(x, axis=(0, 2)), T),
    ],
}
CASES = [(name, *case) for name, case in ONE.items()]
CASES += [(name, getattr(np, name), V, V[::-1] + 0.1) for name in TWO]
CASES += [(name + " broadcast", getattr(np, name), R, V[:3] + 0.13) for name in TWO]
CASES += [(name, getattr(sp, name), V) for name in SPECIAL]
CASES += [(name, getattr(sp, name), V, V[::-1] + 0.1) for name in SPECIAL_TWO]
CASES += [(name + " broadcast", getattr(sp, name), R, V[:3] + 0.13) for name in SPECIAL_TWO]
CASES += [(name, *case) for name, cases in (MORE | SCIPY).items() for case in cases]


# --- programs as a textbook writes them ------------------------------------------------------------------

RNG = np.random.default_rng(7)


def random(*shape):
    return RNG.uniform(-0.8, 0.8, shape)


def recurrent(xs, W, U, b, h):
    for t in range(5):
        h = np.tanh(W @ h + U @ xs[t] + b)
    return h


def attention(X, Wq, Wk, Wv):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    return (E / E.sum(axis=1, keepdims=True)) @ V


def batch_norm(X, gamma, beta):
    mu = X.mean(axis=0)
    var = X.var(axis=0)
    return gamma * (X - mu) / np.sqrt(var + 1e-5) + beta


def convolution_by_loops(image, kernel):
    h, w = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            out[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel)
    return out


def convolution_by_windows(image, kernel):
    return np.einsum("ijkl,kl->ij", sliding_window_view(image, kernel.shape), kernel)


def lstm_cell(x, h, c, W, U, b):
    z = W @ x + U @ h + b
    i, f, g, o = np.split(z, 4)
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gaussian_log_likelihood(X, mu, A):
    S = A @ A.T + np.eye(3)
    L = np.linalg.cholesky(S)
    Z = np.linalg.solve(L, (X - mu).T)
    return -0.5 * np.sum(Z**2) - len(X) * np.sum(np.log(np.diag(L))) - 1.5 * len(X) * np.log(2 * np.pi)


PROGRAMS = {
    "recurrent net": (recurrent, random(5, 2), random(3, 3), random(3, 2), random(3), random(3)),
    "attention": (attention, random(4, 3), random(3, 2), random(3, 2), random(3, 2)),
    "batch normalisation": (batch_norm, random(5, 3), random(3), random(3)),
    "convolution by loops": (convolution_by_loops, random(4, 5), random(2, 3)),
    "convolution by windows": (convolution_by_windows, random(4, 5), random(2, 3)),
    "LSTM cell": (lstm_cell, random(3), random(2), random(2), random(8, 3), random(8, 2), random(8)),
    "Gaussian log-likelihood": (gaussian_log_likelihood, random(4, 3), random(3), random(3, 3)),
}
