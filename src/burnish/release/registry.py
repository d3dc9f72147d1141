"""Registry: releases and the log of their aliases, kept by MLflow here or on a tracking server.

A release is a model version of MLflow; its files are artifacts of a run. A line of the log is a model version
too, of `NAME.log`: the registry itself numbers those, so that all who read them see one order.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlparse

from burnish.core.errors import ReleaseError
from burnish.core.files import cache_directory, directory_aside, user_directory
from burnish.core.release import Action, Event, Release, Standing, standing_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXPERIMENT = "burnish releases"
SHA256 = re.compile(r"[0-9a-f]{64}")
FOLDER = "release"  # of a run's artifacts
LOG = ".log"  # which ends no name
PREFIX = "burnish."
KIND = "burnish.kind"  # of a registered model: "releases" or "log"
FETCHED = "releases"  # in the cache: what came from a server, by digest


class Entry(NamedTuple):
    """A version as the registry has it; its files are not looked at yet."""

    name: str
    version: int
    digest: str
    source: str  # URI of the folder
    run_id: str
    told: dict[str, str]  # what is shown of it in a list: plan, standing, licence, parent, when, by


def default_uri() -> str:
    """`BURNISH_REGISTRY`, or SQLite in the user's data folder."""
    here = user_directory("data") / "registry" / "registry.db"
    return os.environ.get("BURNISH_REGISTRY") or f"sqlite:///{here}"


class Registry:
    """One registry by its URI: `sqlite:///FILE` on this machine, or a tracking server's `http(s)://`."""

    def __init__(self, uri: str | None = None) -> None:
        """Opens it, made where it is local and not there; raises ReleaseError where it cannot be reached."""
        self.uri = uri or default_uri()
        self._folder = _folder_of(self.uri)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        with _told_plainly(self.uri), self._alone():
            self._client = _client(self.uri)
            self._experiment = self._open_experiment()

    @property
    def local(self) -> bool:
        """Whether it lies on this machine."""
        return self._folder is not None

    def add(self, folder: Path, release: Release, told: dict[str, str]) -> Entry:
        """Copies a release's folder in and gives it the next version; raises ReleaseError."""
        with _told_plainly(self.uri):
            run = self._client.create_run(self._experiment, run_name=f"release {release.name}")
            self._client.log_artifacts(run.info.run_id, str(folder), FOLDER)
            self._client.set_terminated(run.info.run_id)
            self._open_model(release.name, "releases")
            tags = {PREFIX + key: value for key, value in (told | {"digest": release.digest}).items()}
            source = f"{run.info.artifact_uri}/{FOLDER}"
            made = self._client.create_model_version(release.name, source, run.info.run_id, tags=tags)
        return _entry(made)

    def entries(self, name: str) -> list[Entry]:
        """Every version of a name, the oldest first; none where there is no such name."""
        return sorted((_entry(v) for v in self._versions(name)), key=lambda e: e.version)

    def names(self) -> list[str]:
        """Every name that something was released under, in order."""
        found: list[str] = []
        with _told_plainly(self.uri):
            token = None
            while True:
                page = self._client.search_registered_models(f"tags.`{KIND}` = 'releases'", page_token=token)
                found += [model.name for model in page]
                if not (token := page.token):
                    return sorted(found)

    def events(self, name: str) -> list[Event]:
        """The whole log of a name, in order; those that did not count too."""
        found = [_event(v) for v in self._versions(name + LOG)]
        return sorted((e for e in found if e is not None), key=lambda e: e.number)

    def standing(self, name: str) -> Standing:
        """What the name's aliases mean now."""
        return standing_of(self.events(name))

    def append(
        self, name: str, action: Action, version: int, seen: int, who: str, why: str, when: str
    ) -> Event:
        """Writes a line into the log; raises ReleaseError where another came first, so it does not count."""
        with _told_plainly(self.uri):
            self._open_model(name + LOG, "log")
            tags = {
                "action": action,
                "version": str(version),
                "seen": str(seen),
                "who": who,
                "why": why,
                "when": when,
            }
            made = self._client.create_model_version(
                name + LOG, f"burnish://{name}/{version}", tags={PREFIX + k: v for k, v in tags.items()}
            )
        standing = self.standing(name)
        for event in standing.counted:
            if event.number == int(made.version):
                self._mirror(name, standing.aliases)
                return event
        counted = standing.counted
        raise ReleaseError(
            f"{name} was changed by {counted[-1].who if counted else 'someone'} at the same moment",
            f"Look at `burnish releases {name}` and ask again",
        )

    def fetch(self, entry: Entry) -> Path:
        """The folder of a version, unchecked, copied here where it lies on a server; raises ReleaseError."""
        if not entry.digest:  # it names the folder that is written to
            raise ReleaseError(f"{entry.name}@{entry.version} has no digest", "Release it again")
        if (local := _local(entry.source)) is not None:
            if not local.is_dir():
                raise ReleaseError(f"{entry.name}@{entry.version} has lost its files", "Import it again")
            return local
        place = cache_directory() / FETCHED / entry.digest
        if not place.is_dir():
            with _told_plainly(self.uri), directory_aside(place) as aside:
                self._client.download_artifacts(entry.run_id, FOLDER, str(aside))
                for path in list((aside / FOLDER).iterdir()):
                    path.rename(aside / path.name)
                (aside / FOLDER).rmdir()
        return place

    def let_go(self, entry: Entry) -> None:
        """Deletes what was fetched of a version, so that it is fetched anew; what lies here stays."""
        if _local(entry.source) is None and entry.digest:
            shutil.rmtree(cache_directory() / FETCHED / entry.digest, ignore_errors=True)

    def remove(self, entry: Entry) -> None:
        """Deletes a version and its files, for good."""
        with _told_plainly(self.uri):
            self._client.delete_model_version(entry.name, str(entry.version))
            self._client.delete_run(entry.run_id)
        if (local := _local(entry.source)) is not None:
            shutil.rmtree(local, ignore_errors=True)

    def _mirror(self, name: str, aliases: dict[str, int]) -> None:
        """Shows the aliases to MLflow's own page and clients."""
        with suppress(Exception):  # the log has decided already; this follows, now or with the next line
            there = self._client.get_registered_model(name).aliases
            for alias in there.keys() - aliases.keys():
                self._client.delete_registered_model_alias(name, alias)
            for alias, version in aliases.items():
                self._client.set_registered_model_alias(name, alias, str(version))

    def _versions(self, name: str) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        with _told_plainly(self.uri):
            token = None
            while True:
                page = self._client.search_model_versions(f"name = '{name}'", page_token=token)
                found += page
                if not (token := page.token):
                    return found

    def _open_model(self, name: str, kind: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name, tags={KIND: kind})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _open_experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        at = (self._folder / "artifacts").as_uri() if self._folder else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=at))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes a registry on this machine: its tables are made in steps."""
        if self._folder is None:
            yield
            return
        import fcntl

        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from mlflow import MlflowClient

    return MlflowClient(uri, registry_uri=uri)


def _folder_of(uri: str) -> Path | None:
    """Where a registry of this machine lies; None for a server. Raises ReleaseError for anything else."""
    if uri.startswith("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///")).parent
    if urlparse(uri).scheme in ("http", "https"):
        return None
    raise ReleaseError(
        f"{uri[:80]!r} is no registry", "Give sqlite:///FILE or a tracking server's http(s)://"
    )


def _local(source: str) -> Path | None:
    parts = urlparse(source)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _entry(version: ModelVersion) -> Entry:
    told: dict[str, str] = {
        k.removeprefix(PREFIX): v for k, v in version.tags.items() if k.startswith(PREFIX)
    }
    digest = told.pop("digest", "")
    return Entry(
        version.name,
        int(version.version),
        digest if SHA256.fullmatch(digest) else "",
        version.source or "",
        version.run_id or "",
        told,
    )


def _event(version: ModelVersion) -> Event | None:
    tags: dict[str, Any] = {k.removeprefix(PREFIX): v for k, v in version.tags.items()}
    try:
        return Event.model_validate({"number": int(version.version), **tags})
    except ValueError:  # not one of ours
        return None


@contextmanager
def _told_plainly(uri: str) -> Iterator[None]:
    """What MLflow and its database say, as one line with the registry's name; raises ReleaseError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ReleaseError(
            f"the registry at {uri} did not answer: {first[:300]}", "Check its address and disk"
        ) from error
