"""The peers: what each needs, the script that runs it, and the configurations that it is compared in.

A configuration's options are its script's to read. `interval` is how many calls repeat in the same pattern,
which the timing of few calls has to know. Those of Pruna are what it declares for a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.core.bundle import MANIFEST, Bundle

SCRIPTS = Path(__file__).parent / "scripts"
REQUIREMENTS = Path(__file__).parent / "requirements"
BASELINE = "diffusers: as it comes"
SOLVER = "DPMSolverMultistepScheduler"  # DPM-Solver++, second order
TINY_DECODER, LCM_LORA = "madebyollin/taesd", "latent-consistency/lcm-lora-sdv1-5"

Options = dict[str, Any]


@dataclass(frozen=True)
class Environment:
    """A virtual environment: the requirements file's name, and how torch gets into it.

    `own_torch` leaves it to the requirements, for a peer that needs a torchvision built against the same one.
    """

    name: str
    own_torch: bool = False

    @property
    def requirements(self) -> Path:
        """Every package pinned, dependencies too."""
        return REQUIREMENTS / f"{self.name}.txt"


@dataclass(frozen=True)
class Row:
    """A peer in one configuration; `environment` is None for Burnish's own.

    `prepares` where something is done once on a machine; `batches` that it can draw at once.
    """

    name: str
    environment: Environment | None
    script: str
    options: Options = field(default_factory=dict)
    prepares: bool = False
    batches: tuple[int, ...] = (1, 16)
    note: str = ""

    @property
    def path(self) -> Path:
        """The script's file."""
        return SCRIPTS / self.script


DIFFUSERS = Environment("diffusers")
OPENVINO = Environment("openvino")
DEEP_CACHE = Environment("deepcache")
PRUNA = Environment("pruna", own_torch=True)
SD_CPP = Environment("sd_cpp", own_torch=True)

FAST: Options = {"scheduler": SOLVER, "calls": 20}
BF16: Options = {**FAST, "dtype": "bfloat16"}
STATIC: Options = {**FAST, "static": True}  # in fp32 its compiler ends with a segmentation fault
FEW: Options = {"scheduler": "LCMScheduler", "calls": 4, "guidance_scale": 1.0}


def _burnish(path: Path) -> Row:
    """Named by its plan; what was drawn of another bundle in the same place is not taken for its own."""
    bundle = Bundle.read(path / MANIFEST)
    options: Options = {"bundle": str(path), "identity": bundle.identity, "calls": None}
    return Row(f"Burnish: {bundle.plan.describe()}", None, "bundle.py", options)


def _tuned() -> list[Row]:
    ways: Mapping[str, Options] = {
        "DPM-Solver++ 20 calls": FAST,
        "DPM-Solver++ 20 calls, bf16": BF16,
        "DPM-Solver++ 20 calls, bf16, channels-last": {**BF16, "channels_last": True},
        "DPM-Solver++ 10 calls, bf16": {**BF16, "calls": 10},
        "DPM-Solver++ 20 calls, torch.compile": {**FAST, "compile": True},
        "DPM-Solver++ 20 calls, bf16, torch.compile": {**BF16, "compile": True},
        "DPM-Solver++ 20 calls, bf16, channels-last, torch.compile": {
            **BF16,
            "channels_last": True,
            "compile": True,
        },
    }
    return [
        Row(f"diffusers: {name}", DIFFUSERS, "stock.py", options, prepares="compile" in options)
        for name, options in ways.items()
    ]


def _openvino() -> list[Row]:
    ways: Mapping[str, Options] = {
        "fp32, 50 calls": {"calls": 50, "weights": "fp32", "hint": "f32"},
        "fp32": {**FAST, "weights": "fp32", "hint": "f32"},
        "the precision that it chooses": {**STATIC, "weights": "fp32"},
        "int8 weights": {**STATIC, "weights": "int8"},
        "int8 hybrid": {**STATIC, "weights": "hybrid"},
    }
    return [
        Row(
            f"optimum-intel: {name}" + ("" if "50" in name else ", DPM-Solver++ 20 calls"),
            OPENVINO,
            "optimum_openvino.py",
            options,
            prepares=True,
        )
        for name, options in ways.items()
    ]


def _pruna() -> list[Row]:
    stock: Options = {"calls": 50}
    cached: Options = {"deepcache": {"interval": 2}}
    ways: Mapping[str, Options] = {
        "deepcache, 50 calls": {**stock, "algorithms": cached, "interval": 2},
        "deepcache, DPM-Solver++ 20 calls, bf16": {**BF16, "algorithms": cached, "interval": 2},
        "torch_compile, DPM-Solver++ 20 calls, bf16": {**BF16, "algorithms": ["torch_compile"]},
        "deepcache and torch_compile, DPM-Solver++ 20 calls": {
            **FAST,
            "algorithms": {**cached, "torch_compile": {}},
            "interval": 2,
        },
        "torch_dynamic (int8), DPM-Solver++ 20 calls": {**FAST, "algorithms": ["torch_dynamic"]},
        "torchao (int8), DPM-Solver++ 20 calls": {**FAST, "algorithms": ["torchao"]},
        "torchao (int8) and torch_compile, DPM-Solver++ 20 calls": {
            **FAST,
            "algorithms": ["torchao", "torch_compile"],
        },
        "half, DPM-Solver++ 20 calls": {**FAST, "algorithms": ["half"]},
    }
    return [
        Row(f"Pruna: {name}", PRUNA, "smash.py", options, prepares="torch_compile" in options["algorithms"])
        for name, options in ways.items()
    ]


def _deep_cache() -> list[Row]:
    ways: Mapping[str, Options] = {
        "interval 3, 50 calls": {"calls": 50, "interval": 3},
        "interval 5, 50 calls": {"calls": 50, "interval": 5},
        "interval 2, DPM-Solver++ 20 calls, bf16": {**BF16, "interval": 2},
    }
    return [Row(f"DeepCache: {name}", DEEP_CACHE, "deep_cache.py", options) for name, options in ways.items()]


def _fast_sd() -> list[Row]:
    torch: Options = {**FEW, "mode": "torch"}
    ways: Mapping[str, Options] = {
        "OpenVINO, LCM 4 calls": {
            **FEW,
            "mode": "openvino",
            "weights": "fp32",
            "no_cache": True,
        },
        "LCM 4 calls": torch,
        "LCM 4 calls, token merging 0.5": {**torch, "token_merging": 0.5},
        "LCM 4 calls, its LCM-LoRA": {**torch, "lora": LCM_LORA},
        "LCM 4 calls, its tiny decoder": {**torch, "tiny_decoder": TINY_DECODER},
    }
    return [
        Row(f"FastSD CPU: {name}", OPENVINO, "fast_sd.py", options, prepares=options["mode"] == "openvino")
        for name, options in ways.items()
    ]


def rows(bundles: Sequence[Path]) -> list[Row]:
    """All rows, the baseline first, then Burnish's bundles; raises BundleError."""
    return [
        Row(BASELINE, DIFFUSERS, "stock.py", {"calls": 50}),
        *map(_burnish, bundles),
        *_tuned(),
        *_openvino(),
        *_pruna(),
        *_deep_cache(),
        *_fast_sd(),
        Row(
            "stable-diffusion.cpp: DPM++ 2M 20 calls",
            SD_CPP,
            "sd_cpp.py",
            {"scheduler": "dpm++2m", "calls": 20},
            batches=(1,),
            note="its own noise",
        ),
    ]
