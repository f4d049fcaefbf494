# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Notes A: what a derivative looks like
#
# The derivative of a number by a number is a number. The derivative of a vector by a vector is a matrix, of
# a vector by a matrix an array with three indices, and courses disagree about how to lay them out. This
# notebook takes one convention, the **numerator layout** of the notes, builds every case of it, and lets
# independent witnesses check each one.
#
# Throughout, $i$ counts outputs and $j$ counts inputs.

# %%
import numpy as np
from IPython.display import Latex, display

import backprop
import verification
from backprop.notes import verify
from backprop.notes.page import text_page
from jacobians import (
    Affine,
    LinearMap,
    LogSumExp,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    SquaredError,
    Tanh,
)
from jacobians.structures import Dense, Identity, Kronecker

np.set_printoptions(precision=3, suppress=True)


def show(J):
    """Show a Jacobian: the formula, what is stored, and a picture (grey is exactly 0)."""
    display(Latex(J._repr_latex_()), J, backprop.picture(J))


# %% [markdown]
# ## Why we need derivatives at all (A1, A2)
#
# A network $f(\cdot\,; \theta)$ is fitted to $m$ points by the loss
#
# $$L(\theta) = \frac{1}{2m} \sum_{k=1}^m \lVert f(x_k; \theta) - y_k \rVert^2,$$
#
# and the simplest way to make it small is to walk downhill,
# $\theta \leftarrow \theta - \varepsilon\, \partial L/\partial\theta$, for every $W_j$ and $b_j$. That
# needs $\partial L/\partial W_j$.

# %%
rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (40, 1))
Y = np.sin(2 * X)

net = backprop.MLP.initialize([1, 12, 1], activation="tanh", loss="squared-error", seed=1)
result = backprop.fit(net, X, Y, epochs=600, learning_rate=0.1)
print(result)

# %% [markdown]
# ## A vector by a vector (A3)
#
# For $y: \mathbb{R}^n \to \mathbb{R}^m$
#
# $$\left(\frac{\partial y}{\partial x}\right)_{ij} = \frac{\partial y_i}{\partial x_j}, \qquad m \times n:$$
#
# a row for each output, a column for each input. Here $y = \operatorname{softmax}(Ax + b)$ with $m = 3$ and
# $n = 2$.

# %%
A = np.array([[1.0, -0.5], [0.3, 2.0], [-1.2, 0.7]])
b = np.array([0.1, 0.0, -0.3])
x = np.array([0.6, 1.1])

layer = Sequential(Affine(A, b), Softmax())
show(layer.jacobian(x))

# %% [markdown]
# Is it right? `check` never reads the rule that it checks. It asks finite differences, complex steps, a
# symbolic derivative of the forward code and balls of interval arithmetic, and it compares every entry.

# %%
verification.check(layer, x)

# %% [markdown]
# Two special cases have names of their own. With $m = 1$ the derivative is a **row**,
# $\partial y/\partial x = (\nabla y)^{\mathsf T}$ (A3a): the gradient is the same numbers in denominator
# layout. With $n = 1$ it is a **column** (A3b), the velocity of a curve. And a linear map is its own
# derivative, $\partial(Ax)/\partial x = A$ (A3c).

# %%
by_vector = LogSumExp().jacobian(b)
print("row, 1×n:\n", by_vector.matrix())
print("gradient, n×1:\n", by_vector.matrix(layout="denominator"))

curve = Sequential(Reshape((1,)), Affine(A[:, :1], b), Tanh())
print("column, m×1:\n", curve.jacobian(0.4).matrix())

linear = LinearMap(A).jacobian(x)
print("∂(Ax)/∂x is A:", np.array_equal(linear.matrix(), A))

# %% [markdown]
# ## When a matrix takes part (A4, A5)
#
# A matrix by a scalar keeps the matrix' shape: $(\partial Y/\partial x)_{ij} = \partial y_{ij}/\partial x$.
# A scalar by a matrix is **transposed** in numerator layout,
#
# $$\left(\frac{\partial y}{\partial X}\right)_{ij} = \frac{\partial y}{\partial x_{ji}}.$$
#
# So for $X \in \mathbb{R}^{2 \times 3}$ the derivative is $3 \times 2$. Gradient descent subtracts the
# derivative from $X$, so it takes the other layout. Ask for the one that you mean, by name:

# %%
surface = Sequential(Reshape((1, 1)), LinearMap([[0.5], [-1.0], [2.0]], [[1.0, -0.3]]), Sigmoid())
print("matrix by scalar:", surface.jacobian(0.4).tensor().shape)

P, q = rng.standard_normal((4, 2)), rng.standard_normal((3, 1))
loss = Sequential(LinearMap(P, q), SquaredError(np.zeros((4, 1))))  # y(X) = ‖PXq‖²
M = rng.standard_normal((2, 3))
by_matrix = loss.jacobian(M)

for layout in ("numerator", "denominator", "mixed"):
    print(f"scalar by matrix, {layout}: {by_matrix.tensor(layout).shape}")
print("closed form 2q(PXq)ᵀP agrees:", np.allclose(by_matrix.tensor("numerator"), 2 * q @ (P @ M @ q).T @ P))

# %% [markdown]
# ## A vector by a matrix, and the first slip (A6)
#
# With $N$ outputs there is one such transposed slice for each of them:
#
# $$\left(\frac{\partial y}{\partial X}\right)_{ijk} = \frac{\partial y_i}{\partial x_{kj}},
# \qquad N \times m \times n.$$
#
# The notes print the stack of slices from $\partial y_1/\partial X$ to $\partial y_p/\partial X$. It must
# end in $y_N$: a $p$ counts no outputs. With $p = 2$ and $N = 4$ two slices are lost, and every witness
# says so.

# %%
(a6,) = verify(["A6"])
for finding in a6.witnesses:
    print(
        f"the right one    {finding.name}: {'agrees' if finding.agrees else 'disagrees'}, {finding.difference:.0e}"
    )
print(f"the printed one  {a6.formula.slip.what}: {a6.slip.remark}")

# %% [markdown]
# ## The one that everybody needs: $\partial(Wx + b)/\partial W$ (A7, A8)
#
# $z_i = \sum_t w_{it} x_t + b_i$, so $\partial z_i/\partial w_{jk} = \delta_{ij} x_k$. Almost all of these
# numbers are 0, and the others are copies of $x$. The notes write "$= I_h \otimes x$", the block diagonal
# with copies of $x$:

# %%
z = Affine(A, b)
J = z.jacobian(x, wrt="W")
show(J)

# %% [markdown]
# Only $x$ is stored. Three faces of this one object are in use, and mixing them up is the most common
# mistake in a derivation by hand:
#
# | face | shape | entry | call |
# |---|---|---|---|
# | the tensor of A6 | $h \times d \times h$ | $T_{ijk} = \delta_{ik} x_j$ | `J.tensor()` |
# | $I_h \otimes x^{\mathsf T}$ | $h \times hd$ | row-major vec of $W$, numerator layout | `J.matrix()` |
# | $I_h \otimes x$ | $hd \times h$ | its transpose, as the notes print it | `J.matrix(layout="denominator")` |
#
# If $W$ is stacked column by column instead, the matrix is $x^{\mathsf T} \otimes I_h$.

# %%
print("I_h ⊗ xᵀ\n", J.matrix())
print("I_h ⊗ x\n", J.matrix(layout="denominator"))
print("xᵀ ⊗ I_h\n", J.matrix(vec="column"))
print("the tensor's slices, a transposed ∂z_i/∂W each\n", J.tensor())
print("I_h ⊗ x as a Kronecker product:", Kronecker(Identity(3), Dense(x[:, None])))

# %%
show(Kronecker(Dense(x[None, :]), Identity(3)))  # xᵀ ⊗ I_h: the same numbers, in other columns

# %% [markdown]
# The check of the layer by its weights passes. Hand in the other vec order, and the verdict names the
# mistake.

# %%
verification.check(z, x, wrt="W")

# %%
print(verification.check(z, x, J.matrix(vec="column"), wrt="W"))

# %% [markdown]
# ## What it costs
#
# Why keep $I_h \otimes x^{\mathsf T}$ as it is? In a layer of 300 × 400 its dense form has 36 million
# entries. The row $\partial L/\partial z$ times it needs no multiplication at all:
# $u\,(I_h \otimes x^{\mathsf T}) = u \otimes x^{\mathsf T}$, which is $u x^{\mathsf T}$ laid out row by
# row. Here is that chain, planned and counted, and then the same chain with the structure thrown away.

# %%
h, d = 300, 400
wide = Affine(rng.standard_normal((h, d)) / 20, np.zeros(h))
point, target = rng.standard_normal(d), np.zeros(h)
net = Sequential(wide, Tanh())
chain = backprop.Chain.from_network(net, point, SquaredError(target, scale=0.5), by="0.W")
print(wide.jacobian(point, wrt="W"))
print(chain.plan("optimal"))

# %%
backprop.compare(chain, measure=True)

# %%
thrown_away = backprop.Chain.from_shapes([(1, h), (h, h), (h, h * d)])
backprop.compare(thrown_away)

# %% [markdown]
# ## Every row of the notes
#
# Each formula as the toolkit gives it, with the witnesses that confirm it.

# %%
print(text_page(verify(["A1", "A2", "A3", "A3a", "A3b", "A3c", "A4", "A5", "A6", "A7", "A8"])))
