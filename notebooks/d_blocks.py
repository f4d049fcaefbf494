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
# # Notes D: blocks, layers of one's own, and derivatives by the input
#
# The notes begin with one scalar rule for each weight of a small network, then fold the rules into blocks, and at
# the end turn the same machine around: the weights stay fixed, and the derivative goes all the way down to the
# picture that was put in.

# %%
# %matplotlib inline
import numpy as np
from IPython.display import SVG, Latex, display

import backprop
import verification
from backprop.notes import verify
from backprop.notes.page import slip_sentence, text_page
from backprop.report.pictures import draw_digit, draw_training
from jacobians import (
    Affine,
    Concatenate,
    CrossEntropy,
    Determinant,
    Function,
    Gram,
    LinearMap,
    LogDeterminant,
    LogSumExp,
    Maximum,
    MaxPool,
    QuadraticForm,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    SquaredError,
    Tanh,
)
from jacobians.structures import Dense, Diagonal

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
# ## Downhill (D1), and along a curve (D2)
#
# $$x_{n+1} = x_n - \alpha \nabla f(x_n), \qquad \frac{dw}{dt} = \frac{\partial f}{\partial x}\frac{dx}{dt} +
# \frac{\partial f}{\partial y}\frac{dy}{dt} + \frac{\partial f}{\partial z}\frac{dz}{dt}$$
#
# The first takes a function and its gradient. The second is a row times a column, the chain rule in its smallest
# costume.

# %%
bowl = QuadraticForm([[1.0, 0.6], [-0.2, 0.5]])
descent = backprop.gradient_descent(bowl, [1.0, -2.0], step_size=0.3, steps=30)
print(descent, "at", descent.x)

curve = Concatenate(Tanh(), Sigmoid(), Softplus())  # (x, y, z) = (tanh t, σ(t), log(1 + eᵗ))
f, t = LogSumExp(), np.array([0.3])
row, column = f.jacobian(curve(t)), curve.jacobian(t)
print("∂f/∂(x, y, z) =", row.dense()[0])
print("d(x, y, z)/dt =", column.dense()[:, 0])
print("dw/dt =", (row @ column).dense()[0, 0])
verification.check(Sequential(curve, f), t)

# %% [markdown]
# ## A 2-3-2 network, one weight at a time (D3, D4)
#
# $$y = \varphi(Wx + b), \qquad z = \varphi(Uy + c), \qquad L = -\sum_i r_i \log z_i$$
#
# The notes write out a rule for each of the seventeen parameters. The upper layer needs only
# $\partial L/\partial z_i$,
#
# $$\frac{\partial L}{\partial u_{ij}} = \frac{\partial L}{\partial z_i}\,\varphi'(\beta_i)\,y_j, \qquad
# \frac{\partial L}{\partial c_i} = \frac{\partial L}{\partial z_i}\,\varphi'(\beta_i),$$
#
# and hands the error down, $\frac{\partial L}{\partial y_i} = \sum_j \frac{\partial L}{\partial z_j}\frac{\partial
# z_j}{\partial y_i}$, so that the lower layer can do the same.

# %%
rng = np.random.default_rng(41)
W, b = rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 3)
U, c = rng.uniform(-1, 1, (2, 3)), rng.uniform(-1, 1, 2)
net = backprop.MLP([(W, b), (U, c)], activation="sigmoid", output_activation="sigmoid", loss="cross-entropy")
x, r = np.array([0.8, -0.5]), np.array([0.7, 0.3])


def phi(s):
    return 1 / (1 + np.exp(-s))


alpha = W @ x + b
y = phi(alpha)
beta = U @ y + c
z = phi(beta)
by_z = -r / z
slope_of_beta, slope_of_alpha = z * (1 - z), y * (1 - y)

rules = {
    "0.W": np.zeros((3, 2)),
    "0.b": np.zeros(3),
    "2.W": np.zeros((2, 3)),
    "2.b": np.zeros(2),
}
for i in range(2):  # second layer: weight update
    rules["2.b"][i] = by_z[i] * slope_of_beta[i]
    for j in range(3):
        rules["2.W"][i, j] = by_z[i] * slope_of_beta[i] * y[j]
for i in range(3):  # error propagation, then the first layer
    by_y = sum(by_z[j] * slope_of_beta[j] * U[j, i] for j in range(2))
    rules["0.b"][i] = by_y * slope_of_alpha[i]
    for j in range(2):
        rules["0.W"][i, j] = by_y * slope_of_alpha[i] * x[j]

gradients = net.gradients(x, r)  # the δ recursion, in matrices
for name, by_rule in rules.items():
    print(f"{name}: differs by {np.abs(by_rule - gradients[name]).max():.0e}")
print(gradients["0.W"])

# %% [markdown]
# Error propagation is one product: the row $\partial L/\partial z$ times the Jacobian of the upper layer. Its
# structure says which error reaches which neuron.

# %%
upper = Sequential(Affine(U, c), Sigmoid())
show(upper.jacobian(y))
print("∂L/∂y =", (CrossEntropy(r).jacobian(z) @ upper.jacobian(y)).dense()[0])

# %% [markdown]
# One line of the notes gives the bias of the *first* layer the derivatives of the second (D8):

# %%
show_slip("D8")

# %% [markdown]
# ## Softmax and cross entropy (D5)
#
# $$\frac{\partial L}{\partial z} = \Bigl(\sum_i r_i\Bigr)\hat r - r$$
#
# The Jacobian of a softmax is a diagonal plus a matrix of rank one, $\operatorname{diag}(\hat r) - \hat r \hat
# r^{\mathsf T}$, and it is stored as such. A row times it stays cheap.

# %%
logits = np.array([0.4, -1.1, 0.2, 0.9])
show(Softmax().jacobian(logits))
for weights in ([1.0, 0.0, 0.0, 0.0], [0.2, 0.5, 0.1, 0.0]):
    prediction = Softmax()(logits)
    print("r =", np.array(weights), " (Σr)·r̂ − r =", sum(weights) * prediction - weights)
    print("   fused:", SoftmaxCrossEntropy(weights).jacobian(logits).dense()[0])
show_slip("D5")

# %% [markdown]
# ## A quadratic form (D6)
#
# $Y = X^{\mathsf T} A X$ has two derivatives, $X^{\mathsf T}(A + A^{\mathsf T})$ by the vector and
# $X X^{\mathsf T}$ by the matrix. The second is kept as two rows, $x^{\mathsf T} \otimes x^{\mathsf T}$.

# %%
form, point = QuadraticForm([[1.0, 0.6], [-0.2, 0.5]]), np.array([1.0, -2.0])
print("by X:", form.jacobian(point).dense())
print("by A:", form.jacobian(point, wrt="A"))
print(form.jacobian(point, wrt="A").tensor())
show_slip("D6")

# %% [markdown]
# ## Blocks (D7)
#
# $$\left(\frac{\partial L}{\partial X}\right)^{\mathsf T} = W^{\mathsf T} \left(\frac{\partial L}{\partial
# Y}\right)^{\mathsf T}, \quad \left(\frac{\partial L}{\partial W}\right)^{\mathsf T} = \left(\frac{\partial
# L}{\partial Y}\right)^{\mathsf T} X^{\mathsf T}, \quad \left(\frac{\partial L}{\partial b}\right)^{\mathsf T} =
# \left(\frac{\partial L}{\partial Y}\right)^{\mathsf T}$$
#
# and, for $Z = \varphi(Y)$,
#
# $$\left(\frac{\partial L}{\partial Y}\right)^{\mathsf T} = \operatorname{diag}(\varphi'(Y)) \left(\frac{\partial
# L}{\partial Z}\right)^{\mathsf T}.$$
#
# They hold for a vector $X$, and for a matrix of several columns too: there the bias sums over the columns, and the
# diagonal becomes $\varphi'(Y)\,\odot$. What a block does is a Kronecker product. Here is $Y = WX + b\mathbf
# 1^{\mathsf T}$ with $X \in \mathbb{R}^{2 \times 4}$:

# %%
X, T = rng.standard_normal((2, 4)), rng.standard_normal((3, 4))
layer = Affine(W, b)
for by in ("input", "W", "b"):
    print(f"∂Y/∂{by}: {layer.jacobian(X, wrt=by)}")
show(layer.jacobian(X))

# %%
block = Sequential(layer, Tanh(), SquaredError(T, scale=0.5))
by_outputs = (
    Sequential(Tanh(), SquaredError(T, scale=0.5)).jacobian(layer(X)).tensor()
)  # numerator layout: 4×3
print("∂L/∂X = ∂L/∂Y · W:   ", np.allclose(block.jacobian(X).tensor(), by_outputs @ W))
print("∂L/∂W = X · ∂L/∂Y:   ", np.allclose(block.jacobian(X, wrt="0.W").tensor(), X @ by_outputs))
print("∂L/∂b: columns summed:", np.allclose(block.jacobian(X, wrt="0.b").tensor(), by_outputs.sum(axis=0)))
verification.check(block, X, wrt="0.W")

# %%
show_slip("D7")

# %% [markdown]
# What does it cost? Here is the chain for $\partial L/\partial W$ of a wider layer, with 300 columns at once. From the
# left, the row stays a row. From the right, a matrix with a row for each of the $64 \cdot 300$ outputs is formed.

# %%
wide, columns = Affine(rng.standard_normal((64, 32)) / 8), rng.standard_normal((32, 300))
chain = backprop.Chain.from_network(
    Sequential(wide, Tanh()), columns, SquaredError(np.zeros((64, 300)), scale=0.5), by="0.W"
)
print(chain.plan("left"))
backprop.compare(chain)

# %% [markdown]
# ## Shapes and directions (D9, D10)
#
# A vector by a scalar is a column, a scalar by a vector a row, a scalar by a matrix is transposed against it. A
# directional derivative needs none of these arrays: $\nabla_u f = \frac{\partial f}{\partial x} u$ and $\nabla_Y f =
# \operatorname{tr}\left(\frac{\partial f}{\partial X} Y\right)$ apply the Jacobian as it is stored.

# %%
velocity = Sequential(Reshape((1,)), Affine([[0.5], [-1.2], [2.0]], [0.1, 0.4, -0.3]), Tanh()).jacobian(0.7)
M, Y = np.array([[2.0, 0.5], [-0.3, 1.0]]), np.array([[0.2, -1.0], [0.7, 0.4]])
adjugate, inverse = Determinant().jacobian(M).tensor(), LogDeterminant().jacobian(M)
print("vector by scalar:", velocity.shape, " scalar by vector:", LogSumExp().jacobian(logits).shape)
print("∂ det M/∂M, numerator layout: the adjugate\n", adjugate)
print("∇_Y log det M:", float(inverse.directional(Y)), "= tr(M⁻¹Y):", np.trace(inverse.tensor() @ Y))

# %% [markdown]
# ## A layer of one's own (D11)
#
# Forward pass, backward pass, done: the notes' recipe is one class with two methods. A sine layer $y = \sin(\omega x)$
# with a frequency that can be trained:


# %%
class Sine(Function):
    """y = sin(ωx), entry by entry."""

    parameter_names = ("omega",)

    def __init__(self, omega):
        self.omega = self.parameter(omega, "omega", ndim=0)

    def forward(self, x):
        return np.sin(self.omega * x)

    def derivative(self, x, wrt="input"):
        if wrt == "omega":
            return Dense((x * np.cos(self.omega * x))[:, None], in_shape=())
        return Diagonal(self.omega * np.cos(self.omega * x))


own = Sequential(Affine(W, b), Sine(2.0), Affine(U, c), Softmax())
verification.check(own, x, wrt="1.omega")

# %% [markdown]
# It stands beside ours: in a chain, with costs, in a plan.

# %%
chain = backprop.Chain.from_network(own, x, CrossEntropy(r), by="0.W")
print(chain.plan())
backprop.compare(chain, measure=True)

# %% [markdown]
# And if the backward pass had been wrong? The inner derivative is forgotten often enough. With $\omega = 2$ the
# candidate is then half of what it should be, and the last line of the verdict says so.


# %%
class Forgetful(Sine):
    """The same, without the inner derivative."""

    def derivative(self, x, wrt="input"):
        return Diagonal(np.cos(self.omega * x)) if wrt == "input" else super().derivative(x, wrt)


print(verification.check(Forgetful(2.0), x))

# %% [markdown]
# ## The maximum (D12)
#
# $$z = \max(x, y): \qquad \frac{\partial z}{\partial x} = \begin{cases} 1 & x \ge y \\ 0 & x < y \end{cases}$$
#
# The tie belongs to $x$, and in a window of max pooling to the first of the largest. The Jacobian is a selection: for
# each output the place that it came from, and no number at all.

# %%
largest = Maximum([2.0, 2.0, 2.0])
print("∂z/∂x", np.diag(largest.jacobian([1.0, 2.0, 3.0]).dense()))
print("∂z/∂y", np.diag(largest.jacobian([1.0, 2.0, 3.0], wrt="y").dense()))
print("at the tie, says the check:", verification.check(largest, [1.0, 2.0, 3.0]).reason)

image = np.array([[1.0, 5.0, 2.0, 2.0], [0.0, 3.0, 2.0, 1.0], [4.0, 4.0, 0.0, 0.5], [4.0, 1.0, 0.3, 0.9]])
pool = MaxPool((2, 2))
print(pool(image))
show(pool.jacobian(image))

# %% [markdown]
# ## Derivatives by the input: digits
#
# Now a network worth asking. 1797 handwritten digits ship with the package. A small network learns most of them in a
# few epochs.

# %%
digits = backprop.load_digits()
images, labels = digits.scaled, digits.labels
classifier = backprop.MLP.initialize([64, 32, 10], activation="tanh", seed=0)
result = backprop.fit(
    classifier, images[:1500], labels[:1500], epochs=15, learning_rate=0.3, batch_size=20, momentum=0.5,
    validation=(images[1500:], labels[1500:]),
)  # fmt: skip
print(f"right on digits that it has not seen: {result.validation_accuracies[-1]:.1%}")
display(SVG(draw_training(result.losses)))

# %% [markdown]
# ### Saliency (D14)
#
# Near a picture $I_0$ the score of a class is almost linear, $S_c(I) \approx wI + b$ with
# $w = \partial S_c/\partial I$. The entries of $w$ say which pixels matter. More ink on a red one raises the score,
# more ink on a blue one lowers it. For a zero, what matters most is that the hole in the middle stays empty.

# %%
unseen, written = images[1500:], labels[1500:]
zero = unseen[written == 0][0]
found = backprop.saliency(classifier, zero, 0)
display(found)
display(found.figure((8, 8)))

# %%
for size in (1e-1, 1e-2, 1e-3):
    step = size * np.random.default_rng(0).standard_normal(64)
    exact = float(classifier(zero + step)[0])
    print(f"‖ΔI‖ = {np.linalg.norm(step):.4f}: S = {exact:.6f}, wI + b = {found(zero + step):.6f}")
verification.check(backprop.ClassScore(classifier, 0), zero)

# %% [markdown]
# ### The picture that a class likes best (D13)
#
# $I \leftarrow I - \mu\,\partial L/\partial I$ with all weights fixed. Turn the sign, take $S_c(I) - \lambda\lVert I
# \rVert^2$, start from an empty page, and the network paints what it believes a three is.

# %%
for digit in (0, 3, 8):
    best = backprop.maximize_input(classifier, digit, steps=200, step_size=0.05, penalty=0.1, bounds=(0, 1))
    print(best, "probability", round(float(Softmax()(classifier(best.x))[digit]), 4))
    display(SVG(draw_digit(best.x)))

# %% [markdown]
# They are far from handwriting: nothing in the score asks a picture to look like one. Going down a loss is as easy.
# Small steps towards another class, until the network reads a three; the outline of the zero is still there.

# %%
loss = Sequential(classifier, SoftmaxCrossEntropy(3))  # pretend that the zero is a three
fooled = backprop.gradient_descent(
    loss, zero, step_size=0.005, steps=100, bounds=(0, 1),
    callback=lambda picture, value: bool(classifier.predict(picture) == 3),
)  # fmt: skip
print(
    "read as",
    classifier.predict(zero),
    "before, and as",
    classifier.predict(fooled.x),
    "after",
    fooled.steps,
    "steps",
)
display(SVG(draw_digit(zero)), SVG(draw_digit(fooled.x)))

# %% [markdown]
# ### Style (D15)
#
# With features $F$, a row a feature, the Gram matrix $G = FF^{\mathsf T}$ says which features occur together, but not
# where. That is style. With $D = FF^{\mathsf T} - G_0$ the derivative of $\lVert FF^{\mathsf T} - G_0 \rVert_F^2$ by
# $F$ is $2(D + D^{\mathsf T})F$, in the shape of $F$.

# %%
F, G0 = rng.uniform(-1, 1, (2, 3)), np.array([[1.0, 0.9], [-0.4, 0.5]])
D = F @ F.T - G0
print("2(D + Dᵀ)F agrees:", np.allclose(backprop.style_gradient(F, G0), 2 * (D + D.T) @ F))
print("4DF, which needs a symmetric G₀, does not:", np.allclose(backprop.style_gradient(F, G0), 4 * D @ F))

# %% [markdown]
# Four small edge filters make the features of a digit, $4 \times 36$. A zero is changed until its edges go together as
# those of a one do.

# %%
sobel = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
diagonal = np.array([[-2.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]) / 4
filters = np.zeros((4, 36, 64))
for number, kernel in enumerate((sobel, sobel.T, diagonal, diagonal[:, ::-1])):
    for place in range(36):
        window = np.zeros((8, 8))
        window[place // 6 : place // 6 + 3, place % 6 : place % 6 + 3] = kernel
        filters[number, place] = window.ravel()
edges = Sequential(LinearMap(filters.reshape(144, 64)), Reshape((4, 36)))

example = unseen[written == 1][0]
styled = backprop.match_style(example, zero, step_size=2e-3, steps=300, features=edges, bounds=(0, 1))
print(styled)
for name, picture in {"example": example, "start": zero, "after": styled.x}.items():
    print(f"{name}: Gram matrix of the edges\n{Gram()(edges(picture))}")
    display(SVG(draw_digit(picture)))

# %% [markdown]
# It is still a zero, in the place where it was, but its upright strokes have become as heavy as those of the one.
#
# ## Every row of the notes
#
# Each formula as the toolkit gives it, with the witnesses that confirm it.

# %%
print(text_page(verify([f"D{number}" for number in range(1, 16)])))
