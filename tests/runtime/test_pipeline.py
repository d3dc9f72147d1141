"""Pictures: the same wherever they are made, step by step, from noise or from a picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img as stock_module
from PIL import Image

from burnish.build import build
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError, PlanError
from burnish.core.files import digest
from burnish.core.noise import noise
from burnish.core.plan import Plan
from burnish.load import open_model, reference_pipeline
from burnish.runtime import Pipeline, Request
from tests.conftest import DDPM, DIT, FAMILIES, SD, STEPS, Bundles, Stores, asked, psnr

SEEDS = (5, 1, 2**62, 8)
PROMPTS = ("a red apple", "a blue hat", "", "x")


def picture(side: int = 32) -> np.ndarray:
    """A smooth picture with an edge in it."""
    y, x = np.mgrid[:side, :side] / side
    return (np.stack([x, y, (x > 0.5) * 0.7], axis=-1) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "plan", [{}, {"scheduler": "DDPMScheduler"}, {"precision": "bf16"}, {"precision": "int8"}], ids=str
)
def test_a_seed_is_a_picture_alone_in_a_batch_and_permuted(plan: dict[str, Any], bundle: Bundles) -> None:
    """Each picture of a batch is byte for byte the one its seed and prompt make alone, noise of steps too."""
    pipeline = Pipeline(bundle(SD, **plan))
    batch = pipeline.generate(Request(seeds=SEEDS, prompts=PROMPTS))
    assert batch.shape == (4, 32, 32, 3)
    assert batch.dtype == np.uint8
    for k, (seed, prompt) in enumerate(zip(SEEDS, PROMPTS, strict=True)):
        alone = pipeline.generate(Request(seeds=(seed,), prompts=(prompt,)))[0]
        assert np.array_equal(batch[k], alone)
        assert np.ptp(alone) > 50
        assert all(psnr(alone, batch[j]) < 30 for j in range(4) if j != k)
    turned = pipeline.generate(Request(seeds=SEEDS[::-1], prompts=PROMPTS[::-1]))
    assert np.array_equal(turned, batch[::-1])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_is_a_picture_after_a_restart(name: str, bundle: Bundles, tmp_path: Path) -> None:
    """A fresh process makes the same bytes from the same bundle and seed."""
    code = (
        "import sys, numpy as np; from burnish.runtime import Pipeline, Request\n"
        "asked = Request(seeds=(7, 8), prompts=eval(sys.argv[3]), class_labels=eval(sys.argv[4]))\n"
        "np.save(sys.argv[2], Pipeline(sys.argv[1]).generate(asked))"
    )
    request = asked(name, 7, 8)
    saved = tmp_path / "pictures.npy"
    argv = [sys.executable, "-c", code, str(bundle(name)), str(saved)]
    subprocess.run([*argv, repr(request.prompts), repr(request.class_labels)], check=True)  # noqa: S603
    assert np.array_equal(np.load(saved), Pipeline(bundle(name)).generate(request))


def test_the_condition_matters(pipeline: Pipeline, bundle: Bundles) -> None:
    """Another prompt, negative prompt or label is another picture of the same seed."""
    plain = pipeline.generate(asked(SD))
    for change in ({"prompts": ("a blue hat",)}, {"negative_prompt": "a blue hat"}):
        assert not np.array_equal(pipeline.generate(asked(SD, **change)), plain)
    classes = Pipeline(bundle(DIT))
    first, second = classes.generate(asked(DIT, 7, 7, class_labels=(3, 4)))
    assert not np.array_equal(first, second)


def test_steps_come_one_a_call_with_previews(pipeline: Pipeline) -> None:
    """N calls are N + 1 steps; previews are pictures and close in on the last, which `generate` gives."""
    steps = list(pipeline.steps(asked(SD, 7, 8)))
    assert [s.index for s in steps] == list(range(STEPS + 1))
    assert {s.calls for s in steps} == {STEPS}
    assert all(s.images is None for s in steps[:-1])
    final = steps[-1].images
    assert final is not None
    assert np.array_equal(final, pipeline.generate(asked(SD, 7, 8)))
    previews = [s.preview() for s in steps]
    assert {(p.shape, str(p.dtype)) for p in previews} == {(final.shape, "uint8")}
    assert np.array_equal(previews[-1], final)
    assert psnr(previews[0], final) < psnr(previews[-3], final) < psnr(previews[-2], final)


def test_steps_can_be_left_early(bundle: Bundles) -> None:
    """Closed after two steps, no further call is made, and the pipeline serves the next request."""
    calls: set[bytes] = set()
    pipeline = Pipeline(bundle(SD), observe=lambda role, wires: calls.add(wires["sample"].tobytes()))
    steps = pipeline.steps(asked(SD))
    next(steps)
    next(steps)
    steps.close()
    assert len(calls) == 2
    assert np.array_equal(pipeline.generate(asked(SD)), Pipeline(bundle(SD)).generate(asked(SD)))


def test_a_program_may_be_tried_unbuilt(bundle: Bundles) -> None:
    """`with_program` draws what the bundle of that program draws, and leaves the first pipeline alone."""
    own, other = Pipeline(bundle(SD)), Pipeline(bundle(SD, scheduler="UniPCMultistepScheduler"))
    before = own.generate(asked(SD))
    tried = own.with_program(other.program).generate(asked(SD))
    assert np.array_equal(tried, other.generate(asked(SD)))
    assert not np.array_equal(tried, before)
    assert np.array_equal(own.generate(asked(SD)), before)


def stock_from_picture(model: Path, strength: float, scale: float = 3.0) -> np.ndarray:
    """StableDiffusionImg2ImgPipeline on the same noise, its latents the mode of the posterior; 0..255."""
    opened = open_model(model)
    stock = StableDiffusionImg2ImgPipeline(
        vae=opened.autoencoder,
        text_encoder=opened.text_encoder,
        tokenizer=opened.tokenizer,
        unet=opened.denoiser,
        scheduler=opened.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    stock.set_progress_bar_config(disable=True)
    initial = torch.from_numpy(noise((7,), (4, 8, 8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stock_module, "randn_tensor", lambda *_, **__: initial)
        patch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode())
        found = stock(
            "a red apple",
            image=Image.fromarray(picture()),
            strength=strength,
            num_inference_steps=STEPS,
            guidance_scale=scale,
            output_type="np",
        )
    return found.images * 255


@pytest.mark.parametrize("strength", [0.17, 0.35, 0.5, 0.8, 0.99])
def test_from_a_picture_as_diffusers_does(
    strength: float, pipeline: Pipeline, unclipped_models: dict[str, Path]
) -> None:
    """On the same noise, image-to-image is the stock pipeline's at 45 dB or better, strength as it counts."""
    ours = pipeline.generate(asked(SD, image=picture(), strength=strength))
    assert psnr(ours, stock_from_picture(unclipped_models[SD], strength)) > 45


def test_full_strength_forgets_the_picture(pipeline: Pipeline) -> None:
    """At strength 1 nothing of the given picture is left: it is what its prompt and seed make of noise."""
    plain = pipeline.generate(asked(SD))
    assert np.array_equal(pipeline.generate(asked(SD, image=picture(), strength=1.0)), plain)


def test_the_least_strength_still_makes_one_call(bundle: Bundles) -> None:
    """A strength that rounds to no call makes one, and the picture stays nearly what it was."""
    calls: set[bytes] = set()
    pipeline = Pipeline(bundle(SD), observe=lambda role, wires: calls.add(wires["sample"].tobytes()))
    found = pipeline.generate(asked(SD, image=picture(), strength=0.01))
    assert len(calls) == 1
    start = pipeline.start_program(STEPS - 1)
    assert start.calls == 1
    assert found.shape == (1, 32, 32, 3)


def test_a_rebuilt_bundle_starts_from_its_own_tables(copied: Bundles, bundle: Bundles) -> None:
    """A pipeline opened after its directory was built anew uses the new image-to-image tables."""
    directory = copied(SD)
    request = asked(SD, image=picture(), strength=0.5)
    before = Pipeline(directory).generate(request)
    other = bundle(SD, scheduler="UniPCMultistepScheduler")
    for path in other.iterdir():
        (directory / path.name).unlink()
        (directory / path.name).write_bytes(path.read_bytes())
    after = Pipeline(directory).generate(request)
    assert np.array_equal(after, Pipeline(other).generate(request))
    assert not np.array_equal(after, before)


@pytest.mark.parametrize("name", [SD, DDPM])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_mask_keeps_and_repaints(name: str, strength: float, bundle: Bundles) -> None:
    """Outside the mask every pixel is the given one, exactly; inside it changes, and depends on the seed."""
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:24, 4:20] = True
    pipeline = Pipeline(bundle(name))
    found = pipeline.generate(asked(name, 7, 8, image=picture(), mask=mask, strength=strength))
    for made in found:
        assert np.array_equal(made[~mask], picture()[~mask])
        assert psnr(made[mask], picture()[mask]) < 30
    assert psnr(found[0][mask], found[1][mask]) < 30
    nothing = asked(name, image=picture(), mask=np.zeros((32, 32)), strength=strength)
    assert np.array_equal(pipeline.generate(nothing)[0], picture())


def test_a_mask_of_everything_is_image_to_image(pipeline: Pipeline) -> None:
    """Where all may change, a mask changes nothing."""
    request = {"image": picture(), "strength": 0.5}
    masked = pipeline.generate(asked(SD, mask=np.ones((32, 32)), **request))
    assert np.array_equal(masked, pipeline.generate(asked(SD, **request)))


@pytest.mark.parametrize("scheduler", ["", "UniPCMultistepScheduler", "DDPMScheduler", "LCMScheduler"])
def test_what_is_kept_guides_what_is_painted(scheduler: str, bundle: Bundles) -> None:
    """The latents outside the mask end at the given picture's, with solvers of many steps and noise too."""
    pipeline = Pipeline(bundle(DDPM, scheduler=scheduler))
    mask = np.zeros((32, 32), dtype=bool)
    mask[8:24, 4:20] = True
    last = list(pipeline.steps(asked(DDPM, image=picture(), mask=mask, strength=1.0)))[-1]
    assert psnr(last.preview()[0][~mask], picture()[~mask]) > 30


@pytest.mark.parametrize(("height", "width"), [(32, 48), (64, 32), (16, 16)])
def test_other_sizes_are_as_diffusers_makes_them(
    height: int, width: int, pipeline: Pipeline, unclipped_models: dict[str, Path]
) -> None:
    """A picture of another size is the stock pipeline's of that size at 45 dB or better."""
    stock = reference_pipeline(unclipped_models[SD])
    expected = stock(
        "a red apple",
        latents=torch.from_numpy(noise((7,), (4, height // 4, width // 4))),
        height=height,
        width=width,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        output_type="np",
    ).images
    ours = pipeline.generate(asked(SD, height=height, width=width))
    assert ours.shape == (1, height, width, 3)
    assert psnr(ours, expected * 255) > 45


@pytest.mark.parametrize(("name", "file"), [(SD, "decoder.bin"), (DDPM, "denoiser.bin")])
def test_what_is_not_finite_is_no_picture(name: str, file: str, copied: Bundles) -> None:
    """An infinite weight is an error that names the bundle, not a grey picture; in previews too."""
    directory = copied(name)
    weights = np.fromfile(directory / file, dtype=np.float32)
    usual = np.flatnonzero((np.abs(weights) < 0.5) & (np.abs(weights) > 1e-3))
    weights[usual[len(usual) // 2]] = np.inf
    weights.tofile(directory / file)
    manifest = Bundle.read(directory / MANIFEST)
    files = manifest.files | {file: digest(directory / file)}
    manifest.model_copy(update={"files": files}).save(directory / MANIFEST)
    pipeline = Pipeline(directory)
    words = f"{directory} drew numbers that are not finite"
    with pytest.raises(BundleError, match=words):
        pipeline.generate(asked(name))
    with pytest.raises(BundleError, match=words):
        next(pipeline.steps(asked(name))).preview()


def test_the_models_own_scheduler_is_the_one_under_test(unclipped_models: dict[str, Path]) -> None:
    """The comparisons above are with a scheduler that does not clip, as Stable Diffusion's does not."""
    scheduler = open_model(unclipped_models[SD]).scheduler
    assert isinstance(scheduler, DDIMScheduler)
    assert scheduler.config.clip_sample is False


@pytest.mark.parametrize(
    "changes", [{}, {"cut": 1, "fresh_calls": 2}, {"precision": "bf16"}, {"precision": "int8"}]
)
def test_passes_side_by_side_draw_the_same_picture(
    changes: dict[str, Any], store: Stores, tmp_path: Path
) -> None:
    """Two streams change when passes run, and neither what they give nor what they keep."""
    plan = Plan(num_inference_steps=4, guidance_scale=3.0, **changes)
    build(store(SD), plan, tmp_path / "one")
    build(store(SD), plan.model_copy(update={"streams": 2}), tmp_path / "two")
    request = Request(seeds=(1, 2), prompts=("red apple", "blue hat"))
    one, two = (Pipeline(tmp_path / name).generate(request) for name in ("one", "two"))
    assert np.array_equal(one, two)


def test_streams_are_refused_where_they_would_not_do(store: Stores, tmp_path: Path) -> None:
    """Without guidance threads would be idle, and weights in few bits are at times unpacked wrongly."""
    for name, changes in (
        (SD, {"guidance_interval": (0.0, 0.5)}),
        (DDPM, {}),
        (SD, {"weights": "int8"}),
    ):
        with pytest.raises(PlanError, match="streams does not apply"):
            build(store(name), Plan(streams=2, **changes), tmp_path / "bundle")
