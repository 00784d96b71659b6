"""Choosing the next token: what changes, what transforms, what stops, and the loops between."""
