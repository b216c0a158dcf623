"""Run folders, the notebook runner, provenance and checks of what is given. It knows nothing of tasks or models."""
