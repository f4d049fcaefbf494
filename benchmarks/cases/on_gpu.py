"""∂F/∂x and gradients on a GPU, by JAX on both sides, where JAX has one."""

from __future__ import annotations

from typing import Any

from .family import Call, Case, Family, Goal
from .input_jacobians import BOTTLENECK, DEEP
from .input_jacobians import expected as expected_jacobian
from .loss_gradients import expected as expected_gradient
from .loss_gradients import flat
from .networks import Network, gpu, in_jax, ours

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}  # its products may round to fewer digits
JACOBIAN = Family("∂F/∂x on a GPU", expected_jacobian, TOLERANCE)
GRADIENT = Family("gradient of a loss by all parameters on a GPU", expected_gradient, TOLERANCE)


@JACOBIAN.contestant("backprop.compile(net, engine='jax')(x) on a GPU", runtime="jax", role="ours")
def compiled(problem: Network) -> Call:
    """The recording under jax.jit; x is on the GPU, and so is the answer."""
    import jax

    import backprop

    x = jax.device_put(problem.x(), gpu())
    jacobian = backprop.compile(
        ours(problem), batched=problem.points is not None, shape=x.shape, dtype=problem.dtype, engine="jax"
    )
    return lambda: jacobian(x).block_until_ready()


def _jax(problem: Network, derive: str) -> Call:
    import jax

    network, layers, x = in_jax(problem)
    layers, x = jax.device_put((layers, x), gpu())
    jacobian = getattr(jax, derive)(lambda point: network(layers, point))
    jitted = jax.jit(jacobian if problem.points is None else jax.vmap(jacobian))
    return lambda: jitted(x).block_until_ready()


@JACOBIAN.contestant("jax.jit(jacrev) on a GPU", runtime="jax")
def reverse(problem: Network) -> Call:
    """A row of J after the other, vectorised and compiled."""
    return _jax(problem, "jacrev")


@JACOBIAN.contestant("jax.jit(jacfwd) on a GPU", runtime="jax")
def forward(problem: Network) -> Call:
    """A column after the other."""
    return _jax(problem, "jacfwd")


@GRADIENT.contestant(
    "backprop.compile_gradients(net, points, engine='jax')(x, y) on a GPU",
    runtime="jax",
    role="ours",
    answer=flat,
)
def compiled_gradient(problem: Network) -> Call:
    """The recording under jax.jit, from and to NumPy's arrays."""
    import jax

    import backprop

    device, x, y = gpu(), problem.x(), problem.y()
    found = backprop.compile_gradients(ours(problem), problem.rows, engine="jax")

    def call() -> Any:
        with jax.default_device(device):
            return found(x, y)

    return call


@GRADIENT.contestant("jax.jit(grad) on a GPU", runtime="jax", answer=flat)
def gradient(problem: Network) -> Call:
    """Compiled reverse mode; the parameters are arguments."""
    import jax

    network, layers, x = in_jax(problem)
    layers, x, y = jax.device_put((layers, x, problem.y()), gpu())

    def loss(layers: Any) -> Any:
        outputs = jax.vmap(network, (None, 0))(layers, x)
        return 0.5 * ((outputs - y) ** 2).sum(axis=1).mean()

    jitted = jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(jitted(layers))


CASES = (
    Case(JACOBIAN, "a point, 784-256-32-256-784 tanh", Network(BOTTLENECK, "tanh"), (Goal(),), single=True),
    Case(
        JACOBIAN,
        "64 points, 784-256-32-256-784 tanh",
        Network(BOTTLENECK, "tanh", 64),
        (Goal(),),
        single=True,
    ),
    Case(JACOBIAN, "64 points, 256 × 20 tanh", Network(DEEP, "tanh", 64), (Goal(),), single=True),
    Case(
        GRADIENT,
        "1024 points, 784-256-32-256-784 tanh",
        Network(BOTTLENECK, "tanh", 1024),
        (Goal(),),
        single=True,
    ),
)
