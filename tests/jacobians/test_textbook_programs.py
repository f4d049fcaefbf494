"""Programs of textbooks in plain NumPy: all witnesses agree by every argument, and plans, pictures and code hold."""

import numpy as np
import pytest

import backprop
from jacobians import trace
from verification import check

RNG = np.random.default_rng(0)


def r(*shape):
    return RNG.normal(size=shape) * 0.5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru(x, h, Wz, Uz, Wr, Ur, Wh, Uh, b):
    z = sigmoid(Wz @ x + Uz @ h + b)
    q = sigmoid(Wr @ x + Ur @ h)
    c = np.tanh(Wh @ x + Uh @ (q * h))
    return (1 - z) * h + z * c


def layer_norm(X, g, b, eps=1e-5):
    mu = X.mean(axis=-1, keepdims=True)
    var = X.var(axis=-1, keepdims=True)
    return g * (X - mu) / np.sqrt(var + eps) + b


def group_norm(X, gamma, beta):
    N, C, L = X.shape
    G = 2
    Z = X.reshape(N, G, C // G, L)
    Z = (Z - Z.mean(axis=(2, 3), keepdims=True)) / np.sqrt(Z.var(axis=(2, 3), keepdims=True) + 1e-5)
    return Z.reshape(N, C, L) * gamma[None, :, None] + beta[None, :, None]


def kmeans(X, mu):
    d = ((X[:, None, :] - mu[None, :, :]) ** 2).sum(axis=2)
    return d.min(axis=1).sum()


def kmeans2(X, mu):
    d = ((X[:, None, :] - mu[None, :, :]) ** 2).sum(axis=2)
    lab = np.argmin(d, axis=1)
    return np.sum((X - mu[lab]) ** 2)


def kalman(x, P, A, Q, H, R, z):
    x = A @ x
    P = A @ P @ A.T + Q
    S = H @ P @ H.T + R
    K = P @ H.T @ np.linalg.inv(S)
    y = z - H @ x
    return x + K @ y, (np.eye(len(x)) - K @ H) @ P


def rbf(X, Y, width):
    d = np.sum(X**2, axis=1)[:, None] + np.sum(Y**2, axis=1)[None, :] - 2 * X @ Y.T
    return np.exp(-d / (2 * width**2))


def sinkhorn(C, a, b):
    K = np.exp(-C / 0.5)
    u = np.ones(len(a))
    for _ in range(4):
        v = b / (K.T @ u)
        u = a / (K @ v)
    return np.sum(u[:, None] * K * v[None, :] * C)


def heat(u, k):
    for _ in range(3):
        new = u.copy()
        new[1:-1] = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
        new[0] = new[1]
        new[-1] = 0
        u = new
    return u


def quat(q, v):
    q = q / np.linalg.norm(q)
    w, x, y, z = q
    Rm = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return Rm @ v


def softmax_reg(W, b, X):
    y = np.array([0, 2, 1, 2])
    Z = X @ W + b
    Z = Z - Z.max(axis=1, keepdims=True)
    logp = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
    return -logp[np.arange(len(y)), y].mean() + 0.1 * np.sum(W * W)


def pca(X, W):
    Xc = X - X.mean(axis=0)
    rec = np.einsum("ij,jk,lk->il", Xc, W, W)
    return np.mean((Xc - rec) ** 2)


def spline(y, x):
    n = len(y)
    t = np.arange(n, dtype=float)
    A = np.zeros((n, n))
    A[0, 0] = A[-1, -1] = 1
    rhs = np.zeros(n)
    for i in range(1, n - 1):
        A[i, i - 1] = A[i, i + 1] = 1
        A[i, i] = 4
        rhs[i] = 6 * (y[i + 1] - 2 * y[i] + y[i - 1])
    m = np.linalg.solve(A, rhs)
    out = np.zeros(len(x))
    for k in range(len(x)):
        i = min(max(int(np.searchsorted(t, x[k])) - 1, 0), n - 2)
        s = x[k] - t[i]
        q = 1 - s
        out[k] = q * y[i] + s * y[i + 1] + ((q**3 - q) * m[i] + (s**3 - s) * m[i + 1]) / 6
    return out


def rk4(y, p):
    def f(y):
        return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])

    h = 0.1
    for _ in range(2):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def conv2d(X, K):
    H, W = X.shape
    h, w = K.shape
    out = np.zeros((H - h + 1, W - w + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(X[i : i + h, j : j + w] * K)
    return np.maximum(out, 0)


def mha(X, Wq, Wk, Wv):
    n, d = X.shape
    h = 2
    q, k, v = [(X @ W).reshape(n, h, d // h).transpose(1, 0, 2) for W in (Wq, Wk, Wv)]
    s = q @ k.transpose(0, 2, 1) / np.sqrt(d // h)
    s = np.exp(s - s.max(-1, keepdims=True))
    s /= s.sum(-1, keepdims=True)
    return (s @ v).transpose(1, 0, 2).reshape(n, d)


P = r(2, 2)
PROGRAMS = {
    "gated recurrent unit": (gru, r(3), r(2), r(2, 3), r(2, 2), r(2, 3), r(2, 2), r(2, 3), r(2, 2), r(2)),
    "layer normalisation": (layer_norm, r(3, 4), r(4) + 1, r(4)),
    "group normalisation": (group_norm, r(2, 4, 3), r(4) + 1, r(4)),
    "k-means": (kmeans, r(5, 2), r(3, 2) * 2),
    "k-means by labels": (kmeans2, r(5, 2), r(3, 2) * 2),
    "Kalman filter": (
        kalman,
        r(2),
        P @ P.T + np.eye(2),
        r(2, 2),
        np.eye(2) * 0.3,
        r(1, 2),
        np.eye(1) * 0.5,
        r(1),
    ),
    "radial basis functions": (rbf, r(3, 2), r(4, 2), np.array(0.8)),
    "Sinkhorn": (sinkhorn, np.abs(r(3, 4)), np.array([0.2, 0.3, 0.5]), np.ones(4) / 4),
    "heat equation": (heat, r(6), np.array(0.2)),
    "rotation by a quaternion": (quat, r(4) + 1, r(3)),
    "softmax regression": (softmax_reg, r(3, 3), r(3), r(4, 3)),
    "principal components": (pca, r(5, 3), r(3, 2)),
    "cubic spline": (spline, r(5), np.array([0.3, 1.7, 3.2])),
    "Runge-Kutta": (rk4, np.abs(r(2)) + 1, np.abs(r(4))),
    "convolution and rectifier": (conv2d, r(4, 5), r(2, 2)),
    "attention of two heads": (mha, r(3, 4), r(4, 4), r(4, 4), r(4, 4)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_witness_that_can_run_agrees_by_every_argument(name):
    f, *points = PROGRAMS[name]
    graph = trace(f, *points)
    plan = graph.plan(evaluations=300)
    execution = plan.execute()
    assert execution.cost == plan.cost
    assert plan.cost.multiplications <= min(
        graph.plan(strategy).cost.multiplications for strategy in ("reverse", "forward", "markowitz")
    )
    for k, output in enumerate(graph.outputs):
        for place in graph.inputs:

            def of_one(x, k=k, place=place):
                result = f(*points[:place], x, *points[place + 1 :])
                return result[k] if isinstance(result, tuple) else result

            report = check(of_one, points[place], execution.jacobians[output, place].dense())
            assert report.verdict == "right", report
            assert "disagrees" not in {witness.status for witness in report.witnesses}
    assert str(plan.cost.multiplications) in str(plan).replace(",", "")
    assert plan.picture().startswith("<svg")


@pytest.mark.parametrize(
    "name", [name for name in PROGRAMS if name != "cubic spline"]
)  # its pieces hang on values
def test_programs_are_compiled_for_other_points(name):
    f, *points = PROGRAMS[name]
    compiled = backprop.compile(f, *points, strategy="reverse")
    at = [np.asarray(x, float) * 1.01 for x in points]
    graph = trace(f, *at)
    truth = graph.plan("forward").execute().jacobians
    found = compiled(*at)
    rows = found if len(graph.outputs) > 1 else (found,)
    for output, row in zip(graph.outputs, rows, strict=True):
        for place, matrix in zip(graph.inputs, row, strict=True):
            np.testing.assert_allclose(matrix, truth[output, place].dense(), rtol=1e-8, atol=1e-10)
