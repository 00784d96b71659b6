"""Strings to ids to padded tensors; knows neither nets nor spaCy."""
