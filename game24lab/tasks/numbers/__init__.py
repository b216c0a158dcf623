"""Number games: four numbers that must make a target, exactly."""
