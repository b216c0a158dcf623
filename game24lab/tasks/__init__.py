"""Tasks: worlds and their judges."""
