"""What more or less spend would have brought: curves from history, honest about what it cannot tell.

`fit.fit_curves` answers curves with their doubt; `confidence.pays` whether a change of budget pays. What is
assumed, with sources and simulations: docs/models/response-curves.md.
"""
