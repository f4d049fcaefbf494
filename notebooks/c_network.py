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
# # Notes C: a 2-3-4-1 network, factor by factor
#
# Two inputs, three neurons, four neurons, one output: small enough to look at every number, large enough
# that back propagation is more than a formula. The notes derive $\partial L/\partial W^{[2]}$ as a product of
# four factors. Here each factor is built, looked at, checked by witnesses that don't know it, and only then
# multiplied.

# %%
import numpy as np
from IPython.display import SVG, Latex, display

import backprop
import verification
from backprop.notes import verify
from backprop.notes.page import slip_sentence, text_page
from backprop.report.pictures import draw_training
from jacobians import (
    BinaryCrossEntropy,
    Concatenate,
    CrossEntropy,
    LinearMap,
    MeanSquaredError,
    Product,
    QuadraticForm,
    Reshape,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    SquaredError,
    Tanh,
)

np.set_printoptions(precision=3, suppress=True)


def show(J):
    """Show a Jacobian: the formula, what is stored, and a picture (grey is exactly 0)."""
    display(Latex(J._repr_latex_()), J, backprop.picture(J))


def show_slip(name):
    """Show a formula as it is printed, how it fails, and that the right one passes."""
    (result,) = verify([name])
    display(Latex(rf"printed: $\displaystyle {result.formula.slip.printed}$"))
    print(slip_sentence(result))
    display(Latex(rf"right: $\displaystyle {result.formula.latex}$"))
    for finding in result.witnesses:
        print(f"{'agrees' if finding.agrees else 'DISAGREES'} to {finding.difference:.0e}: {finding.name}")


# %% [markdown]
# ## The network and its parameters (C1)
#
# A layer with $d$ inputs and $h$ neurons has a weight for each pair and a bias for each neuron, $dh + h$:
#
# $$(2\cdot3 + 3) + (3\cdot4 + 4) + (4\cdot1 + 1) = 30.$$

# %%
rng = np.random.default_rng(4)
weights = [(rng.uniform(-1, 1, (h, d)), rng.uniform(-1, 1, h)) for d, h in ((2, 3), (3, 4), (4, 1))]
net = backprop.MLP(weights, activation="relu", output_activation="sigmoid", loss="binary-cross-entropy")

print(net)
for name, value in net.parameters.items():
    print(f"{name}: {value.shape}, {value.size} numbers")
print("together:", net.parameter_count)

# %% [markdown]
# ## Forward (C2)
#
# $$a^{[l]} = g\left(W^{[l]} a^{[l-1]} + b^{[l]}\right)$$
#
# with $g = \operatorname{ReLU}$ between the layers and a sigmoid at the end. Forward propagation leaves a value
# behind every layer. Backward propagation will need all of them, so `linearize` keeps them, each beside the
# Jacobian of its layer.

# %%
x, y = np.array([1.5, -0.8]), 1
linear = net.linearize(x)
names = ["x", "z[1]", "a[1]", "z[2]", "a[2]", "z[3]", "a[3]"]
values = dict(zip(names, linear.values, strict=True))
for name, value in values.items():
    print(f"{name:4} {value}")
print()
for layer, J in zip(net, linear.jacobians, strict=True):
    print(f"{layer!r:28} {J}")

# %% [markdown]
# One of the four neurons of the second layer is off: its $z$ is negative, ReLU gives 0, and its slope is 0 too.
# It will be a blank row in every picture below.
#
# ## Losses (C3)
#
# $J = \frac12(h - o)^2$, the mean squared error, and the cross entropy. A loss is a function of the prediction,
# made for its target; its Jacobian is a row.

# %%
prediction, target = np.array([0.2, 0.5, 0.3]), np.array([0.1, 0.7, 0.2])
for loss in (SquaredError(target, scale=0.5), MeanSquaredError(target), CrossEntropy(target)):
    row = loss.jacobian(prediction).dense()
    print(
        f"{type(loss).__name__:18} {float(loss(prediction)):.4f}  {row}  {verification.check(loss, prediction).verdict}"
    )

# %% [markdown]
# ## A gradient, and the first slip (C4)
#
# $f = 3x_1^2x_2$ is a quadratic form times a coordinate, so it can be put together from the catalogue, and the
# product rule does the rest. The gradient is a column: the transpose of the $1 \times 2$ Jacobian.

# %%
f = Product(QuadraticForm([[3.0, 0.0], [0.0, 0.0]]), Sequential(LinearMap([[0.0, 1.0]]), Reshape(())))
print(f.jacobian(x).matrix(layout="denominator"))
show_slip("C4")

# %% [markdown]
# ## The rows of a Jacobian are gradients (C5)
#
# $$\frac{\partial \mathbf f}{\partial \mathbf x} = \begin{bmatrix} \nabla^{\mathsf T} f_1 \\ \vdots \\
# \nabla^{\mathsf T} f_m \end{bmatrix}$$
#
# The first two layers are a function from $\mathbb{R}^2$ to $\mathbb{R}^4$. The fourth neuron is off, so its
# gradient is a row of zeros.

# %%
hidden = Sequential(*net.layers[:4])
J = hidden.jacobian(x)
show(J)
for i, row in enumerate(J.dense(), 1):
    alone = verification.finite_difference_jacobian(lambda v, i=i: hidden(v)[i - 1], x)
    print(f"∇f{i} = {row}, differences of f{i} alone: {alone[0]}")

# %% [markdown]
# ## Several paths add up (C6)
#
# If $x$ reaches $f$ through $g_1, \dots, g_k$, then
#
# $$\frac{\partial f}{\partial x_j} = \sum_k \frac{\partial f}{\partial g_k}\frac{\partial g_k}{\partial x_j}.$$
#
# Three ways from $x$ to $f$: stacked by `Concatenate`, the sum over the paths is the product of a row and a block
# column.

# %%
paths = Concatenate(
    Sequential(LinearMap([[0.6, -1.1]]), Tanh()),
    Sequential(LinearMap([[0.7, 0.4]]), Sigmoid()),
    Sequential(QuadraticForm([[1.0, 0.5], [-0.3, 0.8]]), Reshape((1,))),
)
f = QuadraticForm([[0.4, 1.0, 0.0], [0.2, -0.7, 0.5], [0.9, 0.1, 0.3]])
df, dg = f.jacobian(paths(x)).dense(), paths.jacobian(x)
show(dg)
for k in range(3):
    print(f"path {k + 1}: {df[:, k : k + 1] @ dg.dense()[k : k + 1]}")
print("sum:   ", df @ dg.dense())
verification.check(Sequential(paths, f), x)

# %%
show_slip("C6")

# %% [markdown]
# ## The same, entry by entry (C7)
#
# For vector valued $f$ the sums are the entries of a matrix product, $J_{f \circ g} = J_f J_g$. The notes' big
# matrix has two slips of the pen in it, and each of them makes a different matrix.

# %%
show_slip("C7")

# %% [markdown]
# ## Four factors
#
# Now to the point of the notes, the gradient by the weights in the middle:
#
# $$\frac{\partial L}{\partial W^{[2]}_{ij}} = \underbrace{\frac{\partial L}{\partial z^{[3]}}}_{1 \times 1} \cdot
# \underbrace{\frac{\partial z^{[3]}}{\partial a^{[2]}}}_{1 \times 4} \cdot
# \underbrace{\frac{\partial a^{[2]}}{\partial z^{[2]}}}_{4 \times 4} \cdot
# \underbrace{\frac{\partial z^{[2]}}{\partial W^{[2]}_{ij}}}_{4 \times 1}$$
#
# ### Sigmoid and cross entropy: $a^{[3]} - y$ (C10)
#
# The two derivatives $-\frac{y}{a} + \frac{1-y}{1-a}$ and $a(1 - a)$ cancel to $a^{[3]} - y$. In numbers they cancel
# badly when $a$ is close to 0 or 1, so there is a loss that takes $z^{[3]}$ itself.

# %%
z3, a3 = values["z[3]"], values["a[3]"]
fused = SigmoidBinaryCrossEntropy([y])
chained = Sequential(Sigmoid(), BinaryCrossEntropy([y]))
print("a[3] − y       ", a3 - y)
print("fused          ", fused.jacobian(z3).dense()[0])
print("two factors    ", chained.jacobian(z3).dense()[0])
print("the network's δ", net.deltas(x, y)[-1])
print("fused at z = −1000:", fused.jacobian([-1000.0]).dense()[0], "loss", float(fused([-1000.0])))

# %% [markdown]
# ### An affine layer by its input: $W^{[3]}$ (C11)

# %%
show(net[4].jacobian(values["a[2]"]))

# %% [markdown]
# ### An activation by its input: a diagonal (C8, C12)
#
# $a_i$ depends on $z_i$ alone, so everything off the diagonal is 0. Four numbers are stored, not sixteen.

# %%
show(net[3].jacobian(values["z[2]"]))
verification.check(net[3], values["z[2]"])

# %% [markdown]
# ReLU has a kink at 0. There `check` does not guess. It says that no difference quotient could confirm any number:

# %%
print(verification.check(net[3], [0.0, 1.0]).verdict)
print(verification.check(net[3], [0.0, 1.0]).reason)

# %% [markdown]
# ### An affine layer by one weight: $a^{[1]}_j e_i$ (C13)
#
# $W_{ij}$ feeds neuron $i$ and nothing else, with $a_j$ in front. For all weights at once that is
# $I_4 \otimes a^{[1]\mathsf T}$: three numbers are stored for 48 entries. The column of $(i, j) = (2, 3)$ is
# $(0, a_3, 0, 0)^{\mathsf T}$.

# %%
by_weights = net[2].jacobian(values["a[1]"], wrt="W")
show(by_weights)
print("(i, j) = (2, 3):", by_weights.tensor("mixed")[:, 1, 2], " a[1] =", values["a[1]"])

# %%
show_slip("C13")

# %% [markdown]
# ## The product (C14)
#
# $$\frac{\partial L}{\partial W^{[2]}} = \left(W^{[3]\mathsf T}\,(a^{[3]} - y) \odot g'(z^{[2]})\right)
# a^{[1]\mathsf T} \in \mathbb{R}^{4 \times 3}$$
#
# The chain knows its factors, and a plan is made before anything is multiplied. From the left, each step is a row
# times a factor. That is back propagation.

# %%
chain = backprop.Chain.from_network(net, x, BinaryCrossEntropy([y]), by="2.W")
plan = chain.plan("left")
print(plan)
gradient = plan.execute().jacobian
show(gradient)

# %%
backprop.compare(chain, measure=True)

# %% [markdown]
# As a $1 \times 12$ row it is the numerator layout. In the shape of $W^{[2]}$ it is the denominator layout, the one
# that gradient descent subtracts. The $\delta$ recursion of the network gets there without forming any Jacobian.

# %%
print(gradient.tensor("denominator"))
print("δ recursion agrees:", np.allclose(net.gradients(x, y)["2.W"], gradient.tensor("denominator")))

loss = Sequential(*net.layers, BinaryCrossEntropy([y]))
verification.check(loss, x, wrt="2.W")

# %% [markdown]
# The notes print $[(a^{[3]} - y)\,W^{[3]} \odot g(z^{[2]})]\,a^{[1]\mathsf T}$. Two things are wrong. $W^{[3]}$ is not
# transposed, so a $1 \times 4$ row meets a $4 \times 1$ column under $\odot$ (NumPy would make a $4 \times 4$ matrix of
# that, without a word). And it says $g$, not $g'$. With the first mended, the second remains:

# %%
show_slip("C14")

# %% [markdown]
# Hand the printed formula in as if it were a solution, and the verdict names the mistake in its last line.

# %%
W3, a1, z2 = net.parameters["4.W"], values["a[1]"], values["z[2]"]
printed = np.outer(W3[0] * (a3 - y) * np.maximum(z2, 0), a1)
print(verification.check(loss, x, printed.reshape(1, 12), wrt="2.W"))

# %% [markdown]
# ## Learning (C9)
#
# Draw a point $j$ uniformly, step along its own gradient, $\theta := \theta - \alpha \nabla J^{(j)}(\theta)$, repeat.
# Mini-batches average over a few points. Here the network learns to tell the inside of a disc from the outside.

# %%
X = rng.uniform(-1.5, 1.5, (300, 2))
inside = (np.linalg.norm(X, axis=1) < 1).astype(int)
for options in ({"batch_size": 1, "sampling": "uniform"}, {"batch_size": 10}):
    student = backprop.MLP.initialize(
        [2, 3, 4, 1], activation="tanh", loss="sigmoid-binary-cross-entropy", seed=1
    )
    result = backprop.fit(student, X, inside, epochs=40, learning_rate=0.1, seed=0, **options)
    print(options, f"loss {result.losses[-1]:.3f}, right {result.accuracies[-1]:.0%}")
    display(SVG(draw_training(result.losses)))

# %% [markdown]
# ## Every row of the notes
#
# Each formula as the toolkit gives it, with the witnesses that confirm it.

# %%
print(text_page(verify([f"C{number}" for number in range(1, 15)])))
