"""Arms on problems: attempts, their costs, and statistics. It does not know training."""
