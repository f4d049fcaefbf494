"""Elimination costs of published scalar graphs: ``python benchmarks/graphs.py``.

Multiplications by forward, reverse, Markowitz, the best that was published, and our search without and with structure.
"""

import json
import sys
import time
from pathlib import Path

from jacobians import Graph

DATA = Path(__file__).parent / "data" / "graphs"
TASKS = ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")


def read(task: str) -> tuple[Graph, dict[str, int]]:
    """Return a published graph and its published costs."""
    found = json.loads((DATA / f"{task}.json").read_text(encoding="utf-8"))
    return Graph.from_edges(found["inputs"], found["vertices"], found["outputs"], found["edges"]), found[
        "published"
    ]


def main(evaluations: int = 60_000) -> None:
    """Print the table."""
    print(
        "task | forward | reverse | Markowitz | published best | ours, every edge | ours, structure | seconds"
    )
    for task in TASKS:
        graph, published = read(task)
        cells = [
            graph.plan(s, structure=False).cost.multiplications for s in ("forward", "reverse", "markowitz")
        ]
        best = max(published.items(), key=lambda item: item[0] not in ("forward", "reverse", "markowitz"))[1]
        seconds = []
        ours = []
        for structure in (False, True):
            begun = time.process_time()
            plan = graph.plan(structure=structure, evaluations=evaluations)
            seconds.append(f"{time.process_time() - begun:.1f}")
            ours.append(plan.cost.multiplications)
        print(" | ".join(map(str, [task, *cells, best, *ours, " + ".join(seconds)])))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
