"""Marking of assignments: submissions run contained, arrays come back, the marking process compares.

This is containment, not a sandbox: docs/grading.md says what it protects against.
"""

from verification.grading.assignment import Assignment, load_assignment
from verification.grading.fields import AssignmentError
from verification.grading.gradebook import to_gradebook, to_statistics, write_feedback
from verification.grading.marking import grade
from verification.grading.outputs import to_gradescope, to_json, to_junit, to_table
from verification.grading.prepared import prepare
from verification.grading.processes import ContainmentError
from verification.grading.results import ItemResult, SubmissionResult
from verification.grading.roster import read_roster, read_secret
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
    "read_roster",
    "read_secret",
    "to_gradebook",
    "to_gradescope",
    "to_json",
    "to_junit",
    "to_statistics",
    "to_table",
    "try_out",
    "write_feedback",
]
