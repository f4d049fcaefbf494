"""Random formulas of square matrices and vectors of one size, to a depth."""

from __future__ import annotations

import random

DECLARED = {"x": "n", "y": "n", "u": "n", "A": "n×n", "X": "n×n"}
RULES = {
    "v": ["{m}*({v})", "({v} - {v})", "({v}).*({v})", "({s})*({v})", "tanh({v})", "softmax({v})", "cos({v})",
          "1./(1 + ({v}).^2)", "diag({m})", "({m})'*({v})", "({v})/(2 + ({s})^2)", "({v}).^3", "log(1 + exp({v}))",
          "max({m}, axis=1)", "where(({v}) > ({v}), {v}, {v})", "({m})[:,1]", "max({v}, {v})", "logsumexp({m}, axis=1)",
          "sum({m}, axis=1)", "(({m})[0,:])'"],
    "m": ["{m}*({m})", "({m} + {m})", "({m}).*({m})", "({v})*({v})'", "diag({v})", "sin({m})", "({m})'",
          "inv(({m})*({m})' + eye(n))", "softmax({m}, axis=1)", "({s})*({m})", "({m}*diag({v})*{m})",
          "softmax({m}, axis=0)", "(mean({m}, axis=1)*ones(n)')", "({m}).*(({v})*ones(n)')"],
    "s": ["(({v})'*({v}))", "tr({m})", "logsumexp({v})", "sqrt(1 + norm2({v})^2)", "({s} + {s})", "sin({s})",
          "sum(({m}).*({m}))", "({v})'*({m})*({v})", "logdet(({m})*({m})' + eye(n))", "({s})*({s})", "norm2({v} + 5)",
          "max({v})", "({m})[0,1]", "({v})[1]", "specnorm({m})", "nuclear(({m}) + 3*eye(n))", "tr(expm(({m})/9))"],
}  # fmt: skip
LEAVES = {"v": ["x", "y", "u"], "m": ["A", "X"], "s": ["2", "1/3", "n"]}


def formula(seed: int, depth: int = 3) -> str:
    """Return a random formula."""
    rng = random.Random(seed)

    def grown(kind: str, left: int) -> str:
        if left == 0 or rng.random() < 0.2:
            return rng.choice(LEAVES[kind])
        text = rng.choice(RULES[kind])
        while "{" in text:
            place = text.index("{")
            text = text[:place] + grown(text[place + 1], left - 1) + text[place + 3 :]
        return text

    return grown(rng.choice("vms"), depth)
