"""A convolution whose inputs are looked up says what the layer says."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpipe.nets.convolution import Convolution, LookedUpConvolution


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    reach=st.integers(0, 4),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_it_is_the_layer_over_the_sum_of_what_is_looked_up(
    lengths: list[int], reach: int, sizes: list[int], seed: int
) -> None:
    torch.manual_seed(seed)
    layer, tables = Convolution(width=5, reach=reach), [torch.randn(n, 5) for n in sizes]
    ends = torch.tensor(lengths)
    steps = max(*lengths, 1)
    places = [torch.randint(0, n, (len(lengths), steps)) for n in sizes]
    with torch.no_grad():
        found = LookedUpConvolution(layer, tables)(places, ends)
        x = torch.stack([table[p] for table, p in zip(tables, places, strict=True)]).sum(dim=0)
        live = (torch.arange(steps) < ends[:, None])[..., None]
        wanted = layer(x * live)
    assert found.shape == (len(lengths), steps, 6)
    torch.testing.assert_close(found[..., :5] * live, wanted * live, atol=1e-5, rtol=1e-5)
    assert (found[..., 5:] == live).all(), "a one behind each step, and nothing beyond the row"
