"""Data sets to learn from: traces, and mixtures of them."""
