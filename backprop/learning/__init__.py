"""Networks, the δ recursion, training, and states that are kept."""
