"""What a sceptical engineer runs before believing a word of ours: `python -m benchmarks --help`.

`benches` holds the benches of that command, `peers` those whom they stand beside. The scripts here
look closer at one stage each, and are run by their path.
"""
