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
# # Notes B: the chain rule, and what a bracketing costs
#
# The derivative of a composition is a product of matrices. A product of matrices can be formed in several
# orders, they all give the same answer, and they can differ in cost by a factor of fifty. That is what
# backpropagation is about. This notebook builds the matrices, looks at them, multiplies them in each order,
# and counts.

# %%
import numpy as np
from IPython.display import Latex, display

import backprop
import verification
from backprop.notes import verify
from backprop.notes.b_chain_rule import NotesF, NotesG
from backprop.notes.page import text_page
from jacobians import Affine, Elementwise, Sequential, Sigmoid, SquaredError, SquaredNorm

np.set_printoptions(precision=4, suppress=True)


def show(J):
    """Show a Jacobian: the formula, what is stored, and a picture (grey is exactly 0)."""
    display(Latex(J._repr_latex_()), J, backprop.picture(J))


# %% [markdown]
# ## The derivative is a matrix, and the best linear approximation (B3, B4)
#
# $$(Df)_{ij} = \frac{\partial f_i}{\partial x_j}, \qquad
# f(x + \Delta x) = f(x) + Df(x)\,\Delta x + O(\lVert\Delta x\rVert^2).$$
#
# A network of two layers, with the activation on the last layer too (B1):

# %%
rng = np.random.default_rng(20)
net = Sequential(
    Affine(rng.standard_normal((3, 2)), rng.standard_normal(3)),
    Sigmoid(),
    Affine(rng.standard_normal((2, 3)), rng.standard_normal(2)),
    Sigmoid(),
)
x = np.array([0.7, -1.2])
J = net.jacobian(x)
show(J)

# %% [markdown]
# How good is the approximation? Take a step $h$ in a fixed direction and look at what is left over. With the
# right derivative the remainder falls with the square of the step; with a matrix that is a little wrong, only
# with the step itself.

# %%
direction = np.array([0.6, 0.8])
wrong = J.dense() + np.array([[0.0, 0.01], [0.0, 0.0]])
print("step      remainder, right Df   remainder, one entry off by 0.01")
for h in (1e-1, 1e-2, 1e-3, 1e-4):
    change = net(x + h * direction) - net(x)
    right_rest = np.linalg.norm(change - h * (J @ direction))
    wrong_rest = np.linalg.norm(change - h * (wrong @ direction))
    print(f"{h:.0e}     {right_rest:.2e}              {wrong_rest:.2e}")

# %% [markdown]
# `check` does that too, and asks several other witnesses that know nothing of the rule they check:

# %%
verification.check(net, x)

# %%
verification.check(net, x, wrong)

# %% [markdown]
# ## An example by hand (B5, B6, B7)
#
# $f(x_1, x_2) = (x_1^2 x_2,\ x_1 + x_2)$ and $g(y_1, y_2) = y_1^2 + y_2^3$. Both are layers of one's own:
# a class with a forward pass and its derivative. The chain rule multiplies
#
# $$D(g \circ f)(x) = Dg(f(x)) \cdot Df(x), \qquad (1 \times 2)(2 \times 2),$$
#
# and $Dg$ is taken at $f(x)$, the value that the forward pass left there.

# %%
h = Sequential(NotesF(), NotesG())
point = np.array([2.0, -1.0])
steps = h.linearize(point)
print("values on the way:", *steps.values)
for factor in steps.chain:
    print(factor, "\n", factor.dense())

x1, x2 = point
closed_form = [4 * x1**3 * x2**2 + 3 * (x1 + x2) ** 2, 2 * x1**4 * x2 + 3 * (x1 + x2) ** 2]
print("product:    ", h.jacobian(point).dense())
print("closed form:", closed_form)

# %%
verification.symbolic_jacobian(h, point).matrix

# %% [markdown]
# ## The loss of a network (B8)
#
# $\Phi = \alpha \circ \beta \circ F$ with $\beta(a) = a - y$ and $\alpha(z) = \lVert z \rVert^2$, so
# $D\Phi = 2(F - y)^{\mathsf T} DF$. The print forgets the transpose of $D\alpha = 2z^{\mathsf T}$; a column
# can't be multiplied by $DF$.

# %%
y = np.array([0.3, 0.9])
loss = Sequential(net, Elementwise("minus y", lambda a: a - y, lambda a: np.ones_like(a)), SquaredNorm())
print(loss.jacobian(x).dense())
print(2 * (net(x) - y) @ net.jacobian(x).dense())
print(text_page(verify(["B8"])))

# %% [markdown]
# ## By the parameters of a layer (B9, B10)
#
# $DF = DF_L \cdots DF_1$ is the derivative by $x$. By the parameters of layer $\ell$ the chain ends earlier, in
# $\partial F_\ell/\partial\eta_\ell$. For one layer of two neurons that factor is
# $\operatorname{diag}(\sigma'(q))\,[I_2 \otimes z^{\mathsf T},\ I_2]$: mostly zeros, and none of them stored.

# %%
layer = Sequential(Affine(rng.standard_normal((2, 2)), rng.standard_normal(2)), Sigmoid())
by_parameters = layer.jacobian(x, wrt=["0.W", "0.b"])
show(by_parameters)

# %%
net.jacobian(x, wrt="0.W")

# %% [markdown]
# ## What a product costs (B11)
#
# $(m \times n)(n \times p)$ takes $mnp$ multiplications and $m(n-1)p$ additions. Structure makes it cheaper:
# each pair of structures has its own row in the table of products, with its own exact cost.

# %%
chain = backprop.Chain.from_network(net, x, SquaredError(y), by="0.W")
print(chain)
print(chain.plan("left"))

# %%
backprop.compare(chain, measure=True)

# %% [markdown]
# ## Left or right? (B12)
#
# $A$ is $1 \times 100$, $B$ and $C$ are $100 \times 100$. From the left, which is from the output and is
# backpropagation, a row stays a row. From the right two large matrices meet.

# %%
notes_chain = backprop.Chain.from_shapes([(1, 100), (100, 100), (100, 100)])
backprop.compare(notes_chain)

# %% [markdown]
# Neither end is always right. With a narrow layer in the middle the best plan starts there:

# %%
bottleneck = backprop.Chain.from_shapes([(50, 100), (100, 4), (4, 100), (100, 80)])
backprop.compare(bottleneck)

# %%
print(bottleneck.plan("optimal"))

# %% [markdown]
# ## All of it at once
#
# Every formula of these notes with its witnesses, and the slips of the print:

# %%
print(text_page(verify([f"B{number}" for number in range(1, 16)])))
