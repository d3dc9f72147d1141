"""A model as a few static graphs: captured from PyTorch once, quantized, lowered to OpenVINO."""

from burnish.graphs.capture import Capture as Capture
from burnish.graphs.capture import captures as captures
from burnish.graphs.cut import cut as cut
from burnish.graphs.cut import cuts as cuts
from burnish.graphs.lower import lower as lower
from burnish.graphs.lower import save as save
from burnish.graphs.parity import compare as compare
from burnish.graphs.parity import require_parity as require_parity
from burnish.graphs.parity import wire_shapes as wire_shapes
from burnish.graphs.quantize import quantize as quantize
from burnish.graphs.sensitivity import kept as kept
from burnish.graphs.shortcuts import split_shortcuts as split_shortcuts
