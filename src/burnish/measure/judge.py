"""What a judge is and how one is opened: the front door of `burnish.measure.judges`."""

from __future__ import annotations

from burnish.measure.judges.directory import open_features as open_features
from burnish.measure.judges.directory import open_judge as open_judge
from burnish.measure.judges.encoder import Encoder as Encoder
from burnish.measure.judges.encoder import Judge as Judge
