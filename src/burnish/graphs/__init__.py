"""A model as a few static graphs: captured from PyTorch once, quantized, lowered to OpenVINO."""

from burnish.graphs.capture import Capture as Capture
from burnish.graphs.capture import captures as captures
from burnish.graphs.capture import lower as lower
from burnish.graphs.capture import save as save
from burnish.graphs.parity import compare as compare
from burnish.graphs.parity import require_parity as require_parity
from burnish.graphs.quantize import quantize as quantize
