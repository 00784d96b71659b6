"""The benches of `python -m benchmarks`: one noun a file, listed in `benchmarks/index.py`."""
