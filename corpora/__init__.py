"""Data sets and files as corpora, importable as `seqpipe.corpora`."""
