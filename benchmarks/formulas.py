"""CPU time of a derivation with its text, least of five: ``python benchmarks/formulas.py``.

The collection of identities of the tests (median, 95 %, worst), and eight layers of tanh, softmax and residual blocks
with named lines.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "witnesses")]

from identities import IDENTITIES  # noqa: E402

from jacobians import derive  # noqa: E402

LAYERS = {"tanh": "tanh(W*{0})", "softmax": "softmax(W*{0})", "residual": "{0} + tanh(W*{0})"}


def least(formula: str, by: str, declare: dict[str, Any]) -> float:
    """Return the least CPU time of five, in milliseconds."""
    times = []
    for _ in range(5):
        start = time.process_time()
        _ = derive(formula, by, declare=declare).text
        times.append(1e3 * (time.process_time() - start))
    return min(times)


def deep(layer: str, depth: int = 8) -> str:
    """Return a formula of layers, a line each."""
    lines = [f"h{k + 1} = " + layer.format(f"h{k}" if k else "x") for k in range(depth)]
    return "; ".join([*lines, f"h{depth}"])


def main() -> None:
    """Print the table."""
    times = [least(row.formula, row.by, row.declare) for row in IDENTITIES]
    median, late, worst = np.percentile(times, [50, 95, 100])
    print(f"{len(times)} identities: median {median:.1f} ms, 95 % {late:.1f} ms, worst {worst:.1f} ms CPU")
    for name, layer in LAYERS.items():
        print(f"8 layers of {name}: {least(deep(layer), 'x', {}):.1f} ms CPU")


if __name__ == "__main__":
    main()
