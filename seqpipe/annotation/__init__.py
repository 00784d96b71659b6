"""Annotating in batches: rows, what a pipeline finds in them, formats, the journal, engines."""
