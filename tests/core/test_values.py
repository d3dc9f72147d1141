"""Values that travel: exact, readable, and refused where they are not understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.core.bundle import Bundle, Graph, Parity
from burnish.core.errors import BundleError
from burnish.core.evidence import Measurement, Prompt, Suite
from burnish.core.model import Component, ModelCard
from burnish.core.plan import Plan
from burnish.core.program import Program, Row
from burnish.core.values import Value

finite = st.floats(min_value=-1e12, max_value=1e12)
scratch = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

CARD = ModelCard(
    name="m",
    family="stable-diffusion",
    pipeline="StableDiffusionPipeline",
    components=(
        Component(name="unet", library="diffusers", class_name="UNet2DConditionModel", parameters=3),
    ),
    prediction_type="epsilon",
    scheduler="DDIMScheduler",
    latent_shape=(4, 8, 8),
    image_shape=(3, 32, 32),
    size_multiple=8,
    digest="ab",
)
GRAPH = Graph(
    role="denoiser",
    file="denoiser.xml",
    inputs=("sample",),
    outputs={"output": (4, 8, 8)},
    precision="fp32",
    parity=Parity(relative_error=1e-7, max_abs_error=1e-6),
)
PROGRAM = Program(
    timesteps=(999.0, 500.0),
    input_scale=(1.0, 0.1),
    guidance=(7.5, 1.0),
    estimate=((1.0, -0.5), (1 / 3, 0.25)),
    rows=(Row(start=1.0), Row(start=0.5, outputs=(0.1,)), Row(start=0.25, outputs=(0.1, 1e-300))),
    source="by hand",
)
VALUES: dict[str, Value] = {
    "card": CARD,
    "plan": Plan(scheduler="DDIMScheduler", guidance_interval=(0.1, 0.7), precision="int8"),
    "program": PROGRAM,
    "bundle": Bundle(model=CARD, plan=Plan(), graphs=(GRAPH,), files={"a": "b"}, measurement=None),
    "measurement": Measurement(bundle="x", latency_s=0.1 + 0.2, peak_mib=1e-17),
    "suite": Suite(name="s", selection=(Prompt(prompt="a"),), confirmation=(Prompt(class_label=3),)),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was_saved(name: str, tmp_path: Path) -> None:
    """Every kind of value is equal after save and read."""
    VALUES[name].save(tmp_path / "value.json")
    assert type(VALUES[name]).read(tmp_path / "value.json") == VALUES[name]


@scratch
@given(text=st.text(), numbers=st.lists(finite, min_size=6, max_size=6))
@pytest.mark.parametrize("around", ["{}", "[1,  2]{}", "{}[ 3 ,4\t]"])
def test_any_text_and_any_float_survive(around: str, text: str, numbers: list[float], tmp_path: Path) -> None:
    """Texts, those that look like lists of numbers too, and floats to the last bit round-trip."""
    a, b, c, d, e, f = numbers
    program = Program(
        timesteps=(a,),
        input_scale=(b,),
        guidance=(c,),
        estimate=((d, e),),
        rows=(Row(start=f), Row(start=a, outputs=(b,), noises=(c,))),
        source=around.format(text.encode("utf-8", "replace").decode()),
    )
    program.save(tmp_path / "program.json")
    assert Program.read(tmp_path / "program.json") == program


def test_the_file_reads_well(tmp_path: Path) -> None:
    """A list of numbers stands on one line, a field on its own, as valid JSON that ends in a newline."""
    PROGRAM.save(tmp_path / "program.json")
    text = (tmp_path / "program.json").read_text()
    lines = [line.strip() for line in text.splitlines()]
    assert '"timesteps": [ 999.0, 500.0 ],' in lines
    assert '"source": "by hand"' in lines
    assert text.endswith("}\n")
    assert json.loads(text) == PROGRAM.model_dump(mode="json")


def _put(field: str, value: Any) -> Any:
    return lambda data: data | {field: value}


REFUSED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "unknown field": (_put("strength", 1), ("strength", "not permitted")),
    "later version": (_put("schema_version", 2), ("schema version 2", "reads 1")),
    "version of another type": (_put("schema_version", [1]), ("schema version [1]", "reads 1")),
    "wrong type": (_put("precision", "fp8"), ("precision", "fp32")),
    "out of bounds": (_put("num_inference_steps", 0), ("num_inference_steps", "greater than")),
    "not a number": (_put("guidance_scale", float("nan")), ("guidance_scale",)),
    "nested": (_put("guidance_interval", [0.0, "x"]), ("guidance_interval.1",)),
    "a list": (lambda data: [data], ("the whole",)),
    "nothing": (lambda data: None, ("the whole",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str, tmp_path: Path) -> None:
    """The error names the file and the field, and nothing is guessed."""
    change, words = REFUSED[name]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(change(Plan().model_dump(mode="json"))))
    with pytest.raises(BundleError) as error:
        Plan.read(path)
    assert all(word in str(error.value) for word in (str(path), *words))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not JSON"),
        (b'{"scheduler": ', "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b'{"num_inference_steps": ' + b"9" * 5000 + b"}", "not JSON"),
        (None, "does not exist"),
    ],
)
def test_a_broken_file_is_refused(data: bytes | None, word: str, tmp_path: Path) -> None:
    """Half a file, another encoding, nesting or digits without end, and no file at all name the path."""
    path = tmp_path / "plan.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BundleError, match=word) as error:
        Plan.read(path)
    assert str(path) in str(error.value)


def test_values_are_frozen_and_keyword_only() -> None:
    """A value cannot be changed after it was made, nor made by position."""
    with pytest.raises(ValueError, match="frozen"):
        Plan().num_inference_steps = 3  # type: ignore[misc]  # what must not be done
    with pytest.raises(TypeError):
        Plan("DDIMScheduler")  # type: ignore[call-arg]  # nor this


def test_a_number_that_json_has_not_is_refused_when_the_value_is_made() -> None:
    """Infinity and NaN would be saved as null and not be read again, so no value holds them."""
    for number in (float("inf"), float("-inf"), float("nan")):
        with pytest.raises(ValueError, match="finite"):
            Measurement(bundle="x", latency_s=number)


def test_a_suite_keeps_its_parts_apart() -> None:
    """A prompt in both selection and confirmation is refused, labels counting as prompts."""
    for prompt in (Prompt(prompt="a"), Prompt(class_label=3)):
        with pytest.raises(ValueError, match="stands there twice"):
            Suite(name="s", selection=(prompt,), confirmation=(prompt,))
