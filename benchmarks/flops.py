"""How many floating-point operations a net is worth: those of its matrix products, as a textbook
has them. Tables that were multiplied beforehand and are only looked up count as what they save.
"""

from __future__ import annotations

from typing import Any

GATES = {"rnn": 1, "lstm": 4, "gru": 3, "mingru": 2}


def product(rows: float, inner: float, columns: float) -> float:
    return 2.0 * rows * inner * columns


def layer(cell: str, inputs: int, width: int) -> float:
    """Of one step of one way: what comes in, and what is carried on."""
    carried = 0 if cell == "mingru" else width
    return product(1, inputs + carried, GATES[cell] * width)


def encoder(net: Any, inputs: int) -> float:
    """Of a step of an `Encoder` over vectors of so many numbers."""
    ways = 2 if net.bidirectional else 1
    width = net.outputs // ways
    depths = [inputs, *[net.outputs] * (len(net.onward) - 1)]
    return ways * sum(layer(net.cell, depth, width) for depth in depths)


def looked_up(net: Any, inputs: int) -> float:
    """Of these, what a step is spared where its inputs are rows of a table."""
    ways = 2 if net.bidirectional else 1
    return ways * product(1, inputs, GATES[net.cell] * (net.outputs // ways))


def translation(net: Any, source: float, written: float, beam: int) -> float:
    """Of a sentence of so many pieces, for which each place of the beam writes so many."""
    decoder, memory = net.decoder, net.encoder.outputs
    width, embedding = decoder.width, decoder.inputs
    read = source * encoder(net.encoder, net.encoder.inputs)
    keys = product(source, memory, width)
    below = layer(decoder.cell, embedding + (memory if decoder.feeding else 0), width)
    above = [layer(decoder.cell, width + memory, width)] if len(decoder.layers) > 1 else []
    above += [layer(decoder.cell, width, width)] * (len(decoder.layers) - 2)
    attention = product(1, width, width) + product(1, source, width) + product(1, source, memory)
    told = product(1, width + memory + embedding, embedding)
    told += product(1, embedding, net.target.num_embeddings)
    return read + keys + beam * written * (below + sum(above) + attention + told)
