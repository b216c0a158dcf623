"""Word problems, made here or read from GSM8K."""
