"""Plans on graphs: which vertex is eliminated when, at what cost.

Graphs stand on plans: a plan needs of a graph no more than its vertices, edges, inputs and outputs.
"""
