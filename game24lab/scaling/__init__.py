"""How training compute and thinking compute trade off: the grid, its FLOPs, laws and the frontier."""
