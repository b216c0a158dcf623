"""Tokenizers, checkpoints, policies and critics. It does not know searches or the rules of tasks."""
