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
# # Notes E: the δ recursion
#
# Back propagation is often taught as five lines to memorise. This notebook derives them from one idea, that
# $\delta$ is the Jacobian of the error by what goes *into* the activation, and checks each line by
# witnesses that know nothing of it.

# %%
# %matplotlib inline
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Latex, display

import backprop
import verification
from backprop.notes import verify
from backprop.notes.page import text_page
from jacobians import Affine, AugmentedAffine, Reshape, Sequential, Sigmoid, SquaredError

np.set_printoptions(precision=4, suppress=True)


def show(J):
    """Show a Jacobian: the formula, what is stored, and a picture (grey is exactly 0)."""
    display(Latex(J._repr_latex_()), J, backprop.picture(J))


# %% [markdown]
# ## The network (E1, E2)
#
# The bias is folded into the matrix: with $\hat a = [1; a]$
#
# $$z^{(l+1)} = \Theta^{(l)} \hat a^{(l)}, \qquad a^{(l+1)} = \sigma(z^{(l+1)}), \qquad \Theta^{(l)} \in
# \mathbb{R}^{s_{l+1} \times (s_l + 1)},$$
#
# and the loss is a mean, $L(\Theta) = \frac1m \sum_i E^{(i)}$ with $E = \frac12 \lVert y - h(x) \rVert^2$.

# %%
rng = np.random.default_rng(3)
sizes = [2, 4, 3, 2]
thetas = [rng.standard_normal((rows, columns + 1)) for columns, rows in pairwise(sizes)]
x, y = np.array([0.7, -1.2]), np.array([0.1, 0.9])

h = Sequential(*(function for theta in thetas for function in (AugmentedAffine(theta), Sigmoid())))
E = SquaredError(y, scale=0.5)
print("h(x) =", h(x), " E =", E(h(x)))
show(h[2].jacobian(h.linearize(x).values[2], wrt="Theta"))  # ∂z^(3)/∂Θ^(2) = I ⊗ [1; a]ᵀ

# %% [markdown]
# The same network as a multilayer perceptron, with $W$ and $b$ apart, is what we train below.

# %%
net = backprop.MLP(
    [(theta[:, 1:], theta[:, 0]) for theta in thetas],
    activation="sigmoid",
    output_activation="sigmoid",
    loss="squared-error",
)
print(net, "gives", net(x))

# %% [markdown]
# ## What δ means (E9)
#
# Move the input of neuron $i$ in layer $l$ a little, from $z_i$ to $z_i + \Delta z_i$, and let everything
# above it follow. By how much does the error change?
#
# $$E(z + \Delta z) \approx E(z) + \delta^{\mathsf T} \Delta z, \qquad
# \delta^{(l)} := \frac{\partial E}{\partial z^{(l)}}.$$
#
# If $|\delta_i|$ is large, the neuron can influence $E$ a lot; if it is near 0, nothing is to be gained
# there. Each curve below is $E$ as one $z_i^{(2)}$ is moved while the others stay; each dashed line has the
# slope $\delta_i$.

# %%
values = h.linearize(x).values  # x, z2, a2, z3, a3, z4, a4
z2 = values[1]
above = Sequential(*h.layers[1:], E)  # E as a function of z^(2)
delta2, delta3, delta4 = net.deltas(x, y)

moves = np.linspace(-2, 2, 81)
figure, (curves, bars) = plt.subplots(1, 2, figsize=(9, 3), width_ratios=(2, 1), layout="constrained")
for i, slope in enumerate(delta2):
    moved = [above(z2 + move * np.eye(4)[i]) for move in moves]
    (line,) = curves.plot(moves, moved, label=f"neuron {i + 1}")
    near = np.abs(moves) <= 0.8
    curves.plot(moves[near], above(z2) + slope * moves[near], "--", color=line.get_color())
    bars.bar(i + 1, slope, color=line.get_color())
curves.set(xlabel=r"$\Delta z_i$", ylabel="$E$", title="$E$ as one $z_i$ is moved")
curves.legend(frameon=False)
bars.axhline(0, color="grey", lw=0.8)
bars.set(xlabel="neuron $i$", title=r"$\delta_i$", xticks=range(1, 5))
plt.show()

# %% [markdown]
# The line touches the curve and stays close: what is left over falls as $\lVert\Delta z\rVert^2$.

# %%
direction = np.array([0.5, -0.5, 0.5, 0.5])
for step in (1e-1, 1e-2, 1e-3):
    rest = above(z2 + step * direction) - above(z2) - step * delta2 @ direction
    print(f"‖Δz‖ = {step:g}:  E(z + Δz) − E(z) − δᵀΔz = {rest: .2e}")

# %% [markdown]
# ## The output error, and a slip (E3)
#
# At the output two functions follow $z^{(L)}$: the activation and the error. The chain rule gives a row
# times a diagonal matrix, which as a column is
#
# $$\delta^{(L)} = \nabla_a E \odot \sigma'(z^{(L)}).$$

# %%
z4, a4 = values[5], values[6]
show(E.jacobian(a4))
show(Sigmoid().jacobian(z4))
print(
    "the product, transposed:", (E.jacobian(a4) @ Sigmoid().jacobian(z4)).matrix(layout="denominator")[:, 0]
)
print("the recursion's δ:      ", delta4)

# %% [markdown]
# One line of the notes prints $\delta^{(l)} = \partial E/\partial z^{(l+1)}$. That is the error of the
# layer above:

# %%
(e3,) = verify(["E3"])
for finding in e3.witnesses:
    print(
        f"the right one    {finding.name}: {'agrees' if finding.agrees else 'disagrees'}, {finding.difference:.0e}"
    )
print(f"the printed one  {e3.formula.slip.what}: off by {e3.slip.difference:.0%} of the largest entry")

# %% [markdown]
# ## One layer down (E4, E6)
#
# A change of $z_i^{(l)}$ reaches the error through every neuron of the next layer. For a curve
# $g: \mathbb{R} \to \mathbb{R}^n$ and $f: \mathbb{R}^n \to \mathbb{R}$ that is
# $h'(u_0) = \langle \nabla f(z_0), g'(u_0) \rangle$, a row times a column:

# %%
g = Sequential(Reshape((1,)), Affine([[1.5], [-0.5]], [0.1, 0.4]), Sigmoid())
f = SquaredError(y, scale=0.5)
row, column = f.jacobian(g(0.8)), g.jacobian(0.8)
print(row.matrix(), "times", column.matrix()[:, 0], "is", (row @ column).matrix())
verification.check(Sequential(g, f), 0.8)

# %% [markdown]
# With $z_j^{(l+1)} = \sum_k \Theta_{jk}^{(l)} \hat a_k^{(l)}$ and $\hat a = [1; \sigma(z)]$ the inner
# product becomes
#
# $$\delta^{(l)} = \left((\Theta^{(l)})^{\mathsf T} \delta^{(l+1)}\right) \odot \sigma'(z^{(l)}),$$
#
# where $\Theta^{(l)}$ is meant **without its bias column**: the unit does not depend on $z$. The two
# factors are a dense matrix and a diagonal one.

# %%
z3 = values[3]
by_hand = (thetas[2][:, 1:].T @ delta4) * Sigmoid().df(z3)
print("by hand:", by_hand, " recursion:", delta3)
show(h[4].jacobian(values[4]))  # Θ^(3) without its first column
verification.check(Sequential(*h.layers[3:], E), z3)  # E as a function of z^(3): its Jacobian is δ^(3)ᵀ

# %% [markdown]
# ## The gradients (E5)
#
# $\Theta^{(l)}$ meets the error only through $z^{(l+1)} = \Theta^{(l)} \hat a^{(l)}$, whose derivative is
# $I \otimes (\hat a^{(l)})^{\mathsf T}$. So
#
# $$\frac{\partial E}{\partial\Theta^{(l)}} = \delta^{(l+1)} (\hat a^{(l)})^{\mathsf T},$$
#
# in the shape of $\Theta$, denominator layout. The notes print the transpose $\hat a\,\delta^{\mathsf T}$:
# the same numbers in numerator layout. The Jacobian keeps them as a Kronecker product of two rows:

# %%
whole = Sequential(h, E)
J = whole.jacobian(x, wrt="0.2.Theta")
show(J)
print("δ âᵀ, denominator layout", J.tensor("denominator").shape)
print("â δᵀ, numerator layout  ", J.tensor("numerator").shape)
print("equal to δ âᵀ:", np.allclose(J.tensor("denominator"), np.outer(delta3, [1.0, *values[2]])))

# %%
verification.check(whole, x, wrt="0.2.Theta")

# %% [markdown]
# ## Why backwards? The cost
#
# All of this is one product of Jacobians, and a product can be bracketed in many ways. The recursion
# brackets it from the output: a row times a matrix, again and again. From the input, matrices meet
# matrices.

# %%
digits_net = backprop.MLP.initialize(
    [64, 32, 16, 10], activation="sigmoid", output_activation="sigmoid", loss="squared-error", seed=0
)
pixels, one_hot = rng.uniform(size=64), np.eye(10)[3]
chain = backprop.Chain.from_network(digits_net, pixels, SquaredError(one_hot, scale=0.5), by="0.W")
backprop.compare(chain, measure=True)

# %%
print(chain.plan("left"))

# %% [markdown]
# ## The five steps (E7), and a walk downhill (E8)
#
# Input, forward, output error, backward, gradients. `gradients` does them for a whole batch at once, and
# does them a second way on request, through the explicit chain of Jacobians.

# %%
X = rng.uniform(-1, 1, (60, 2))
Y = np.column_stack([X[:, 0] * X[:, 1] > 0, X[:, 0] * X[:, 1] <= 0]).astype(float)
recursion, explicit = net.gradients(X, Y), net.gradients(X, Y, method="jacobians")
for name, gradient in recursion.items():
    print(
        f"∂L/∂{name}: shape {gradient.shape}, largest difference {np.abs(gradient - explicit[name]).max():.1e}"
    )

# %% [markdown]
# Stochastic gradient descent steps after every point,
# $\Theta^{(l)} \leftarrow \Theta^{(l)} - \eta\,\delta^{(l+1)} (\hat a^{(l)})^{\mathsf T}$; a mini-batch
# takes the mean over its points. The notes print $\hat a\,\delta^{\mathsf T}$ in this place, and that can't
# be subtracted:

# %%
(e8,) = verify(["E8"])
print(f"the right one    {', '.join(finding.name for finding in e8.witnesses if finding.agrees)} agree")
print(f"the printed one  {e8.formula.slip.what}: {e8.slip.remark}")

# %%
figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
for size, label in ((1, "one point a step"), (10, "mini-batches of 10"), (None, "all 60 points")):
    fresh = backprop.MLP.initialize(
        [2, 8, 2], activation="sigmoid", output_activation="sigmoid", loss="squared-error", seed=2
    )
    result = backprop.fit(fresh, X, Y, epochs=150, learning_rate=1.0, batch_size=size)
    axes.plot(range(1, 151), result.losses, label=label)
axes.set(xlabel="epoch", ylabel="L(Θ)", ylim=(0, None))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Every row of the notes

# %%
print(text_page(verify([f"E{number}" for number in range(1, 10)])))
