"""Where a worker finds what attribution does in jobs; each stands with its verb."""

from apps.attribution import analysis, imports, markov_training, uploads

__all__ = ["analysis", "imports", "markov_training", "uploads"]
