"""Verify the hand-derived gradients of a 3-4-4-2 tanh network symbolically: `python docs/verify_network.py`.

The network is plain NumPy, as one writes it without any toolkit. Each gradient is compared with what sympy finds by
differentiating the forward code, which is run on symbols. Then two mistakes are planted, to see them named.
"""

import sys
import time
from itertools import pairwise

import numpy as np

from jacobians import Affine, Sequential, SquaredError, Tanh
from verification import assert_gradient, check

rng = np.random.default_rng(4)
SIZES = (3, 4, 4, 2)
PARAMETERS = {}
for layer, (inputs, outputs) in enumerate(pairwise(SIZES), start=1):
    PARAMETERS[f"W{layer}"] = rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)
    PARAMETERS[f"b{layer}"] = 0.1 * rng.normal(size=outputs)
X, TARGET = rng.normal(size=SIZES[0]), rng.normal(size=SIZES[-1])


# --- what is verified: forward pass, and gradients by hand -----------------------------------------------


def loss(p):
    """½‖a − y‖² of the network's output: the forward code, and the only thing that sympy sees."""
    a = np.tanh(p["W1"] @ X + p["b1"])
    a = np.tanh(p["W2"] @ a + p["b2"])
    a = p["W3"] @ a + p["b3"]
    return 0.5 * np.sum((a - TARGET) ** 2)


def gradients(p):
    """The δ recursion, by hand: δ³ = a³ − y, δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ (1 − aˡ²), ∂L/∂Wˡ = δˡ aˡ⁻¹ᵀ, ∂L/∂bˡ = δˡ."""
    a1 = np.tanh(p["W1"] @ X + p["b1"])
    a2 = np.tanh(p["W2"] @ a1 + p["b2"])
    delta3 = p["W3"] @ a2 + p["b3"] - TARGET
    delta2 = (p["W3"].T @ delta3) * (1 - a2**2)
    delta1 = (p["W2"].T @ delta2) * (1 - a1**2)
    return {
        "W1": np.outer(delta1, X), "b1": delta1,
        "W2": np.outer(delta2, a1), "b2": delta2,
        "W3": np.outer(delta3, a2), "b3": delta3,
    }  # fmt: skip


def verdict(name, gradient):
    """Check one gradient. Its row-major vec is the row of the Jacobian: the loss has one output."""
    return check(
        lambda parameter: loss({**PARAMETERS, name: parameter}),
        PARAMETERS[name],
        gradient.reshape(1, -1),
        witnesses=["symbolic"],
    )


def main():
    start, in_sympy, all_right = time.perf_counter(), 0.0, True
    print("parameter  shape   verdict  largest relative error")
    for name, gradient in gradients(PARAMETERS).items():
        report = verdict(name, gradient)
        witness = report.witnesses[0]
        in_sympy += witness.seconds
        all_right &= report.passed
        error = "none found" if witness.error is None else f"{witness.error:.1e}"
        print(f"{name:9}  {'×'.join(map(str, gradient.shape)):6}  {report.verdict:7}  {error}")
        if not report.passed:
            print(report)
    whole = time.perf_counter() - start
    print(f"{whole:.1f} seconds, {in_sympy:.1f} of them the symbolic witness\n")

    # The gradient by a square matrix can be transposed without its shape telling.
    print("planted: ∂L/∂W2 transposed")
    try:
        assert_gradient(
            lambda W: loss({**PARAMETERS, "W2": W}), gradients(PARAMETERS)["W2"].T, at=PARAMETERS["W2"]
        )
        named = False
    except AssertionError as error:
        diagnosis = str(error).splitlines()[-1]
        print(f"wrong: {diagnosis}")
        named = "the gradient is transposed" in diagnosis

    # With the network as a composition of layers, mistakes of the chain rule are named too.
    p = PARAMETERS
    net = Sequential(
        Affine(p["W1"], p["b1"]), Tanh(), Affine(p["W2"], p["b2"]), Tanh(), Affine(p["W3"], p["b3"]),
        SquaredError(TARGET, scale=0.5),
    )  # fmt: skip
    delta2 = gradients(PARAMETERS)["b2"]
    forgotten = np.outer(p["W2"].T @ delta2, X)  # ⊙ (1 − a1²) is missing
    report = check(net, X, forgotten.reshape(1, -1), wrt="0.W")
    print("\nplanted: φ′ of the first layer left out of ∂L/∂W1")
    print(f"{report.verdict}: {report.diagnosis}")
    named &= report.diagnosis.name == "missing-derivative"
    return 0 if all_right and named else 1


if __name__ == "__main__":
    sys.exit(main())
