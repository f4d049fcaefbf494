"""What runs outside the marking process: a supervisor for each submission, and in it the submission's runner.

These modules import nothing of this project, and the supervisor nothing but the standard library: they are
started by their directory, in interpreters of their own.
"""
