"""Arrays let in, array libraries, the ledger, layouts, threads and budgets."""
