"""The cases: a module a task, a row a case."""

from . import (
    checks,
    commands,
    compiling,
    differences,
    formulas,
    graph_jacobians,
    imports,
    input_jacobians,
    loss_gradients,
    on_gpu,
    parameter_jacobians,
    plans,
    scaling,
)
from .family import Case

CASES: tuple[Case, ...] = (
    *input_jacobians.CASES,
    *graph_jacobians.CASES,
    *loss_gradients.CASES,
    *parameter_jacobians.CASES,
    *plans.CASES,
    *differences.CASES,
    *checks.CASES,
    *formulas.CASES,
    *commands.CASES,
    *imports.CASES,
    *compiling.CASES,
    *on_gpu.CASES,
)

BY_NAME: dict[str, Case] = {
    case.name: case for case in (*CASES, *(case for series in scaling.SERIES for case in series.cases))
}
