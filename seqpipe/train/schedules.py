"""Learning rates over the steps of a run, under the entry point group `thinc_schedules`."""

from __future__ import annotations

from collections.abc import Iterator


def warmup_decay(rate: float, warmup_steps: int, total_steps: int = 0) -> Iterator[float]:
    """Up to `rate` in a line, then down to zero at `total_steps` in a line.

    With `total_steps = 0` nobody knows the end, and the rate falls with the inverse square root of
    the steps (Vaswani et al. 2017); `seqpipe train` knows the end and fills it in.
    """
    step = 0
    while True:
        step += 1
        if step < warmup_steps:
            yield rate * step / warmup_steps
        elif total_steps:
            yield rate * max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))
        else:
            yield rate * (max(1, warmup_steps) / step) ** 0.5
