"""A running server, asked by the official client of OpenAI and by plain requests."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import openai
import pytest
from PIL import Image

import burnish
from tests.conftest import SD, Bundles

NAME = "tiny"


class Running(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    key: str
    folder: Path

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with the key."""
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def client(self, **more: Any) -> openai.OpenAI:
        """OpenAI's own."""
        return openai.OpenAI(api_key=self.key, base_url=f"{self.url}/v1", **({"max_retries": 0} | more))


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def registry(bundle: Bundles, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with two releases of one name, the first of them stable."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry')}/registry.db"
    for steps in (6, 2):
        burnish.release(bundle(SD, num_inference_steps=steps), NAME, unproven=True, registry=uri)
    burnish.promote(f"{NAME}@1", unproven=True, registry=uri)
    return uri


@pytest.fixture(scope="module")
def start(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts servers, and ends them with the module."""
    started: list[Running] = []

    def begin(folder: Path | None = None, *options: str) -> Running:
        place = folder or tmp_path_factory.mktemp("serve")
        argv = ["serve", NAME, "--port", "0", "--folder", str(place), "--registry", registry, *options]
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "burnish", *argv], stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        known = place / "key"
        for line in process.stderr:
            if found := re.search(r"shown this once: (bk-\S+)", line):
                known.write_text(found[1])
            if found := re.search(r"Serving .* at (http://[0-9.:]+)/v1", line):
                break
        assert found, "the server did not start"
        running = Running(process, found[1], known.read_text(), place)
        started.append(running)
        until_ready(running)
        return running

    yield begin
    for running in started:
        running.process.kill()
        running.process.wait()


@pytest.fixture(scope="module")
def server(start: Start) -> Running:
    """One for all tests that leave it as it is."""
    return start()


def until_ready(running: Running) -> None:
    """Until it takes requests."""
    for _ in range(600):
        try:
            if httpx.get(f"{running.url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            assert running.process.poll() is None
        time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def opened(data: str | bytes | None) -> Image.Image:
    """A picture, from base64 or a file."""
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data) if isinstance(data, str) else data))


def test_the_official_client_gets_its_pictures(server: Running) -> None:
    """As many as it asked for, at the model's size, each with its seed in the file."""
    found = server.client().images.generate(model=NAME, prompt="a red apple", n=3, extra_body={"seed": 5})
    assert found.data is not None
    pictures = [opened(each.b64_json) for each in found.data]
    assert [picture.size for picture in pictures] == [(32, 32)] * 3
    assert [picture.info["seed"] for picture in pictures] == ["5", "6", "7"]
    assert found.size == "32x32"
    said = found.model_extra["burnish"]  # type: ignore[index]
    assert (said["release"], said["standing"]) == (f"{NAME}@1", "unproven (not judged)")
    assert pictures[0].info["release"] == said["digest"]


def test_the_same_request_gives_the_same_picture(server: Running) -> None:
    """Byte for byte, alone or beside others."""
    client = server.client()
    first, again = (
        client.images.generate(model=NAME, prompt="a key", extra_body={"seed": 1}).data for _ in range(2)
    )
    assert first is not None
    assert again is not None
    assert first[0].b64_json == again[0].b64_json


def test_the_official_client_sees_pictures_come(server: Running) -> None:
    """As many previews as it asked for, then the picture itself."""
    with server.client().images.generate(
        model=NAME, prompt="a red apple", stream=True, partial_images=2, extra_body={"seed": 5}
    ) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    assert [event.partial_image_index for event in partial] == [0, 1]
    pictures = [opened(event.b64_json).convert("RGB").tobytes() for event in events]
    assert len(set(pictures)) == 3


def test_the_client_lists_what_it_can_ask_for(server: Running) -> None:
    """Names with their aliases and versions, and what each can do."""
    client = server.client()
    assert {model.id for model in client.models.list()} == {
        f"{NAME}@stable",
        f"{NAME}@candidate",
        f"{NAME}@1",
        f"{NAME}@2",
    }
    one = client.models.retrieve(f"{NAME}@2").model_extra
    assert one is not None
    assert one["num_inference_steps"] == 2
    assert one["standing"] == "unproven (not judged)"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_pictures_come_in_the_format_that_was_asked_for(server: Running, kind: Any) -> None:
    """PNG, JPEG, WebP."""
    found = server.client().images.generate(
        model=NAME, prompt="x", output_format=kind, extra_body={"seed": 1}
    )
    assert found.data is not None
    assert opened(found.data[0].b64_json).format == kind.upper()


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "a field that there is not": ({"sharpness": 3}, 400, "sharpness", "not a field"),
    "a style": ({"style": "vivid"}, 400, "style", "not a field"),
    "a transparent ground": ({"background": "transparent"}, 400, "background", "not a field"),
    "a quality": ({"quality": "hd"}, 400, "quality", "auto"),
    "an address instead of the picture": ({"response_format": "url"}, 400, "response_format", "b64_json"),
    "other calls than it was judged with": ({"num_inference_steps": 50}, 400, "num_inference_steps", "6"),
    "another guidance": ({"guidance_scale": 9.5}, 400, "guidance_scale", "3.0"),
    "a size that does not fit": ({"size": "33x32"}, 400, "size", "multiples of"),
    "a size that is far too large": ({"size": "4096x4096"}, 400, "size", "at most"),
    "a size that is none": ({"size": "large"}, 400, "size", "64x64"),
    "a seed below zero": ({"seed": -1}, 400, "seed", "greater"),
    "a seed that is text": ({"seed": "x"}, 400, "seed", "integer"),
    "too many": ({"n": 1000}, 400, "n", "less"),
    "none": ({"n": 0}, 400, "n", "greater"),
    "a prompt without end": ({"prompt": "x" * 40_000}, 400, "prompt", "32000"),
    "a model that there is not": ({"model": "other"}, 404, "model", f"{NAME}@stable"),
    "a model that is no name": ({"model": "../x"}, 404, "model", "icons@3"),
    "a body without end": ({"prompt": "x" * 2_000_000}, 413, "", "1048576"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(server: Running, name: str) -> None:
    """Never ignored: the status, the field, and what would do."""
    more, status, param, words = REFUSED[name]
    with pytest.raises(openai.APIStatusError) as refused:
        server.client().images.generate(model=NAME, prompt="x", extra_body=more)
    assert refused.value.status_code == status
    error = refused.value.response.json()["error"]
    assert error["param"] == (param or None)
    assert words in error["message"]


@pytest.mark.parametrize("header", [None, "Bearer bk-nonsense", "Basic eDp5", "Bearer", "Bearer \u00e9"])
def test_without_a_key_nothing_is_told(server: Running, header: str | None) -> None:
    """No picture, no list, no job; that it lives and is ready needs none."""
    headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
    for method, path in (("GET", "/v1/models"), ("GET", "/v1/jobs"), ("GET", "/v1/jobs/x")):
        answer = httpx.request(method, server.url + path, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(f"{server.url}/livez").status_code == 200


def wait_for(running: Running, job_id: str) -> dict[str, Any]:
    """A job at its end, by its events."""
    last: dict[str, Any] = {}
    with httpx.stream(
        "GET",
        f"{running.url}/v1/jobs/{job_id}/events",
        headers={"Authorization": f"Bearer {running.key}"},
        timeout=60,
    ) as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    return last


def test_a_job_is_asked_for_followed_and_fetched(server: Running) -> None:
    """Accepted, drawn, listed; its picture is the one that a waiting client gets."""
    asked = {"prompt": "a red apple", "model": NAME, "seed": 5, "n": 2}
    made = server.ask("POST", "/v1/jobs", json=asked)
    assert made.status_code == 202
    done = wait_for(server, made.json()["id"])
    assert done["status"] == "succeeded"
    assert server.ask("GET", f"/v1/jobs/{done['id']}").json()["pictures"] == done["pictures"]
    assert done["id"] in [job["id"] for job in server.ask("GET", "/v1/jobs").json()["data"]]
    file = server.ask("GET", done["pictures"][0])
    assert file.headers["Content-Type"] == "image/png"
    found = server.client().images.generate(prompt="a red apple", model=NAME, n=2, extra_body={"seed": 5})
    data = found.data
    assert data is not None
    assert base64.b64decode(data[0].b64_json or "") == file.content


def test_the_same_key_of_a_request_is_one_job(server: Running) -> None:
    """Sent again, the job of then; cancelled, it stays so however often that is asked."""
    asked = {"prompt": "a red apple", "n": 10}
    first, again = (
        server.ask("POST", "/v1/jobs", json=asked, headers={"Idempotency-Key": "one"}).json()["id"]
        for _ in range(2)
    )
    assert first == again
    other = server.ask("POST", "/v1/jobs", json=asked | {"n": 2}, headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")
    states = [server.ask("POST", f"/v1/jobs/{first}/cancel").json()["status"] for _ in range(2)]
    assert states[0] == states[1]
    assert states[0] in ("cancelled", "succeeded")


def test_a_job_of_another_client_is_not_there(server: Running) -> None:
    """Neither are one's own under a name that no job has."""
    for path in ("/v1/jobs/nothing", "/v1/jobs/..%2f..", f"/v1/jobs/{'0' * 32}/events"):
        assert server.ask("GET", path).status_code == 404


def test_a_client_that_gives_up_and_asks_again_joins_its_job(start: Start, tmp_path: Path) -> None:
    """As OpenAI's does after its timeout: the work is done once."""
    running = start(tmp_path)
    with contextlib.suppress(openai.APITimeoutError):  # the last of its attempts may be in time
        running.client(timeout=0.25, max_retries=2).images.generate(model=NAME, prompt="slow", n=10)
    jobs = running.ask("GET", "/v1/jobs").json()["data"]
    assert [job["ask"]["prompt"] for job in jobs] == ["slow"]


def test_a_port_that_is_taken_is_said(server: Running, registry: str, tmp_path: Path) -> None:
    """In one line with exit code 2, and nothing of the other server's is touched."""
    port = server.url.rsplit(":", 1)[1]
    argv = ["serve", NAME, "--port", port, "--folder", str(tmp_path), "--registry", registry]
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "burnish", *argv], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in found.stderr
    assert httpx.get(f"{server.url}/livez").status_code == 200


def test_a_killed_server_loses_no_job_and_draws_none_twice(start: Start, tmp_path: Path) -> None:
    """Killed in the middle of its work and started again, every job has its pictures, once."""
    first = start(tmp_path, "--most-batch", "1")
    done = wait_for(first, first.ask("POST", "/v1/jobs", json={"prompt": "before"}).json()["id"])
    ids = [
        first.ask("POST", "/v1/jobs", json={"prompt": f"apple {k}", "n": 4}).json()["id"] for k in range(4)
    ]
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    again = start(tmp_path)
    assert [wait_for(again, job_id)["status"] for job_id in ids] == ["succeeded"] * 4
    assert again.ask("GET", f"/v1/jobs/{done['id']}").json()["ended_at"] == done["ended_at"]


def test_a_promotion_takes_effect_without_a_restart(start: Start, registry: str, tmp_path: Path) -> None:
    """While requests come: none fails, each is of one release, and soon all are of the new one."""
    running = start(tmp_path)
    client = running.client()
    seen = []
    burnish.promote(f"{NAME}@2", unproven=True, registry=registry)
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < 30 and seen[-3:] != [f"{NAME}@2"] * 3:
            found = client.images.generate(model=f"{NAME}@stable", prompt="x", extra_body={"seed": 1})
            seen.append(found.model_extra["burnish"]["release"])  # type: ignore[index]
    finally:
        burnish.rollback(NAME, registry=registry)
    assert seen[-1] == f"{NAME}@2"
    assert seen == sorted(seen)
