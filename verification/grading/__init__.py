"""Marking of assignments: submissions run contained, arrays come back, the marking process compares.

This is containment, not a sandbox: docs/grading.md says what it protects against.
"""

from verification.grading.assignment import Assignment, load_assignment
from verification.grading.fields import AssignmentError
from verification.grading.marking import grade
from verification.grading.outputs import to_gradescope, to_json, to_junit, to_table
from verification.grading.prepared import prepare
from verification.grading.processes import ContainmentError
from verification.grading.results import ItemResult, SubmissionResult
from verification.grading.trying import Attempt, try_out

__all__ = [
    "Assignment",
    "AssignmentError",
    "Attempt",
    "ContainmentError",
    "ItemResult",
    "SubmissionResult",
    "grade",
    "load_assignment",
    "prepare",
    "to_gradescope",
    "to_json",
    "to_junit",
    "to_table",
    "try_out",
]
