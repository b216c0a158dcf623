"""Backends of generation: siblings that turn jobs into sampled rows, each on an engine of its own."""
