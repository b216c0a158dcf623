"""The router: labels and features of problems and arms, models of them, and the frontier they are evaluated on."""
