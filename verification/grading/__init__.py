"""Marking of assignments: submissions run contained, arrays come back, the marking process compares.

This is containment, not a sandbox: see docs/grading.md.
"""
