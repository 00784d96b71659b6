"""The pipeline stages, importable as `seqpipe.components`."""
