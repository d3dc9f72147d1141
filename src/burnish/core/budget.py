"""Budget: what a picture and its bundle may take."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.units import show_mib, show_seconds


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Seconds of one picture, peak MiB of a process, MiB on disk; None where it may take anything."""

    latency_s: float | None = None
    memory_mib: float | None = None
    disk_mib: float | None = None

    def exceeded(self, latency_s: float, memory_mib: float, disk_mib: float) -> str:
        """What is beyond it, with its remedy; "" where nothing is."""
        if self.latency_s is not None and latency_s > self.latency_s:
            return f"it takes {show_seconds(latency_s)} a picture: raise --max-latency or --max-cost"
        if self.memory_mib is not None and memory_mib > self.memory_mib:
            return f"it takes {show_mib(memory_mib)} of memory: raise --max-memory"
        if self.disk_mib is not None and disk_mib > self.disk_mib:
            return f"it takes {show_mib(disk_mib)} on disk: raise --max-disk"
        return ""
