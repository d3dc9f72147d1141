"""Runs a bundle with PyTorch: the model's own modules, compiled where there is a GPU. Sees the same table.

Nothing imports this but a bundle whose plan says so: `burnish.runtime` knows PyTorch by name alone.
"""

from burnish.torch_runtime.graphs import TorchGraph as TorchGraph
from burnish.torch_runtime.graphs import open_graphs as open_graphs
