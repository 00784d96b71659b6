"""How much of what the machine could do at most a stage reaches within `nlp.pipe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import flops
from benchmarks.bench import Bench, middle
from benchmarks.machine import copy_limit, product_limit, side_of
from benchmarks.peers import in_turns
from benchmarks.stages import fresh, texts
from seqpipe.text.codec import EOS

ROWS = 32  # sentences that are translated side by side
BEAM = 5
SOURCE = 13  # words of a sentence
GPU = "GPU"


@dataclass(frozen=True)
class Case:
    """A pipeline over texts, and what the products of its net come to."""

    run: Callable[[], Any]
    operations: float
    spared: float  # of these, what is looked up instead of multiplied


def limits(bench: Bench) -> None:
    torch.set_num_threads(1)
    _measured(bench, "cpu")
    bench.figure("copy in memory", "GB/s", "speed", copy_limit() / 1e9)
    if bench.options.device == "cpu":
        bench.absent(GPU, "it takes `--device cuda`, and a machine that has one")
    elif torch.cuda.is_available():
        _measured(bench, bench.options.device, f", {GPU}")
        bench.remark(f"{GPU}: {torch.cuda.get_device_name(bench.options.device)}, in float32.")
    else:
        bench.absent(GPU, "torch sees none on this machine")
    bench.remark(
        "Random weights, one thread, texts of 20 words (sentiment), 120 characters (tokenizer) and "
        f"{SOURCE} words (translator), from text to annotation. Counted are the matrix products of "
        "the net as a textbook has them; what is looked up in a table of products that were "
        "multiplied beforehand is left out of the last column."
    )


def _measured(bench: Bench, device: str, where: str = "") -> None:
    """All cases on a device, in turns with the product whose speed is their limit."""
    cases = {
        f"sentiment, LSTM of {width}": _sentiment(bench, width, device) for width in (128, 256)
    }
    cases |= {
        f"tokenizer, LSTM of {width}": _tokenizer(bench, width, device) for width in (128, 256)
    }
    cases[f"translator, {ROWS} rows, beam {BEAM}"] = _translator(bench, device)
    peaks: list[float] = []
    runs: dict[str, Callable[[], Any]] = {"peak": lambda: peaks.append(product_limit(device))}
    runs |= {name: case.run for name, case in cases.items()}
    times = in_turns(runs, bench.turns)
    peak = max(peaks)  # a limit is what was reached at best
    square = "matrix product, {0:,} by {0:,}".format(side_of(device))
    bench.figure(square, f"GFLOP/s{where}", "speed", *(each / 1e9 for each in peaks))
    for name, case in cases.items():
        speeds = [case.operations / each for each in times[name]]
        bench.figure(name, f"GFLOP/s{where}", "speed", *(speed / 1e9 for speed in speeds))
        bench.figure(name, f"of the product{where}", "percent", *(each / peak for each in speeds))
        done = (case.operations - case.spared) / case.operations
        share = middle(speeds) / peak * done
        bench.figure(name, f"multiplied in truth{where}", "percent", share)


def _sizes(width: int) -> Mapping[str, Any]:
    return {"cell": "lstm", "embedding": width, "width": width}


def _sentiment(bench: Bench, width: int, device: str) -> Case:
    some = texts(1000 if bench.quick else 4000, 20)
    nlp = fresh("sentiment", some[:500], {"model": _sizes(width), "device": device})
    stage: Any = nlp.get_pipe("sentiment")
    net = stage.shim.net
    pieces = sum(map(len, stage.codec.encode(some)))
    inputs = net.embedding.width
    return Case(
        lambda: [doc.cats for doc in nlp.pipe(some, batch_size=1000)],
        pieces * (flops.encoder(net.encoder, inputs) + flops.product(1, 2 * width, 2 * width)),
        pieces * flops.looked_up(net.encoder, inputs),
    )


def _tokenizer(bench: Bench, width: int, device: str) -> Case:
    some = texts(500 if bench.quick else 2000, 20)
    model = {**_sizes(width), "conv": 0}
    nlp = fresh("tokenizer", some[:200], {"model": model, "device": device})
    stage: Any = nlp.get_pipe("tokenizer")
    net, steps = stage.shim.net, sum(map(len, some))
    inputs = net.embedding.width
    return Case(
        lambda: list(nlp.pipe(some, batch_size=1000)),
        steps * flops.encoder(net.encoder, inputs),
        steps * flops.looked_up(net.encoder, inputs),
    )


def _translator(bench: Bench, device: str) -> Case:
    """A beam that prunes nothing and ends nowhere: each place writes as many pieces as allowed."""
    some = texts(ROWS if bench.quick else 4 * ROWS, SOURCE, spread=0.1)
    known = texts(800, SOURCE)
    search = {"@misc": "seqpipe.Search.v1", "beam": BEAM, "margin": 0.0, "max_length": SOURCE + 5}
    batches = {"rows": ROWS, "budget": 8192}
    told = {"search": search, "batches": batches, "device": device}
    nlp = fresh("translator", known, told)
    stage: Any = nlp.get_pipe("translator")
    net = stage.shim.net
    with torch.no_grad():
        net.bias[EOS] = -1e9
    rows = stage.encode([nlp.make_doc(text) for text in some])
    written = SOURCE + 5
    pieces = [len(row) for row in rows]
    spared = flops.looked_up(net.encoder, net.encoder.inputs)
    below = flops.product(1, net.decoder.inputs, 4 * net.decoder.width)
    return Case(
        lambda: [doc._.translation for doc in nlp.pipe(some, batch_size=ROWS)],
        sum(flops.translation(net, size, written, BEAM) for size in pieces),
        sum(size * spared + BEAM * written * below for size in pieces),
    )
