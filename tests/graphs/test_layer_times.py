"""The plugin's counters, by the layers that we know."""

from __future__ import annotations

from burnish.graphs.layer_times import layer_seconds
from tests.graphs.small_graphs import latents, named, small


def test_each_layer_has_its_time() -> None:
    """Every layer of a graph has a time above 0 and below a minute, by the name that it has in the graph."""
    model = small()
    found = layer_seconds(model, latents(0, 50))
    assert set(found) == set(named(model, "Convolution", "MatMul"))
    assert all(0 < seconds < 60 for seconds in found.values())


def test_more_positions_take_longer() -> None:
    """Four hundred times the latents take the layers more than three times as long in all."""
    few, many = (sum(layer_seconds(small(), latents(0, count)).values()) for count in (1, 400))
    assert many > 3 * few
