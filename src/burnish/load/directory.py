"""A model directory is hostile until checked. Nothing in it is run, and no library opens it before this has.

Blocklists of bad pickles lose, so this is a list of what may be there: safetensors, JSON, text and pictures.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.core.errors import ModelError
from burnish.core.files import digest
from burnish.load.config import check_limits, read_object
from burnish.load.fit import check_fit
from burnish.load.layouts import Layout, read_layout
from burnish.load.shapes import check_shapes
from burnish.load.sizes import settle
from burnish.load.weights import Tensor, changed, component_weights, read_header, scan, stamp

INDEX = "model_index.json"
MAX_FILES = 1000
# Git and the Hugging Face downloader keep their books here; nothing in them is ever opened.
BOOKKEEPING = frozenset({".git", ".cache"})
ALLOWED = re.compile(r"\.(safetensors|json|txt|md|ya?ml|jinja|png|jpe?g|webp|gif|svg|pdf)")
# Stands beside tokenizer.json, which T5's tokenizers must have and which is what they read.
UNREAD_NAMES = ("spiece.model",)
PLAIN_NAMES = ("LICENSE", "LICENCE", "NOTICE", "COPYING", ".git")  # as beginnings of names without a suffix
WEIGHTS = re.compile(
    r"\.(bin|pth?|ckpt|pkl|pickle|np[yz]|joblib|dill|h5|hdf5|keras|msgpack|onnx|pb|tflite|gg(uf|ml)|model|zip|tar)"
)
CODE = re.compile(r"\.(py[a-z]?|so|dll|dylib|ipynb|sh|js)")
FORBIDDEN_FILES = {"adapter_config.json": "it sends the loader to another model"}

Stamp = tuple[str, int, int, int, int]  # name, bytes, times of change in ns, inode


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A directory whose index, configs and tokenizers passed; its weights are another matter."""

    path: Path  # absolute, links resolved
    pipeline: str
    layout: Layout
    settings: dict[str, Any]  # what model_index.json says beside the parts
    classes: dict[str, tuple[str, str]]  # part -> (library, class)
    configs: dict[str, dict[str, Any]]  # part -> config with defaults


@dataclass(frozen=True, eq=False)
class CheckedDirectory(Skeleton):
    """A directory that passed: everything here was read from the very bytes whose digests are in `files`."""

    tensors: dict[str, dict[str, Tensor]]  # part -> its weights
    weights: dict[str, tuple[str, ...]]  # part -> its weights files, relative
    files: dict[str, str]  # relative name -> sha256
    stamps: tuple[Stamp, ...]


def _refuse_kind(where: str) -> None:
    path = Path(where)
    if path.name in FORBIDDEN_FILES:
        raise ModelError(f"{where} is refused: {FORBIDDEN_FILES[path.name]}", "Delete it")
    if path.name in UNREAD_NAMES:
        return
    suffix = path.suffix.lower()
    if CODE.fullmatch(suffix):
        raise ModelError(
            f"{where} is code, and a model needs none",
            "Delete it if the model works without it; Burnish runs no code out of a model",
        )
    if WEIGHTS.fullmatch(suffix):
        raise ModelError(
            f"{where} is a weights file but not safetensors, and opening one can run code",
            "Convert it to safetensors, or delete it where a .safetensors file stands beside it",
        )
    if not ALLOWED.fullmatch(suffix) and (suffix or not path.name.startswith(PLAIN_NAMES)):
        raise ModelError(f"{where} is not a kind of file that a model directory holds", "Delete it")


def _stamp(root: Path, path: Path) -> Stamp:
    where = path.relative_to(root).as_posix()
    real = Path(os.path.realpath(path))
    inside = real.relative_to(root).parts if real.is_relative_to(root) else ()
    if path.is_symlink() and (not inside or BOOKKEEPING & set(inside) or not real.is_file()):
        raise ModelError(
            f"{where} is a link that leaves the model directory, or leads to no file",
            "Copy the file in place of the link (from Hugging Face: hf download MODEL --local-dir DIR)",
        )
    if not stat.S_ISREG(real.stat().st_mode):
        raise ModelError(f"{where} is neither a file nor a directory", "Delete it")
    _refuse_kind(where)
    return where, *stamp(real)


def _raise(error: OSError) -> None:
    raise error


def stamps(root: Path) -> tuple[Stamp, ...]:
    """One stamp a file, sorted by name; ModelError at the first file that may not be there."""
    found: list[Stamp] = []
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders[:] = [f for f in folders if Path(folder, f) not in {root / b for b in BOOKKEEPING}]
        links = [f for f in folders if Path(folder, f).is_symlink()]
        found += [_stamp(root, Path(folder, name)) for name in (*links, *files)]
        if len(found) > MAX_FILES:
            raise ModelError(
                f"the directory holds more than {MAX_FILES} files", "Name the model's own directory"
            )
    return tuple(sorted(found))


def _root(path: Path) -> Path:
    if not path.exists():
        raise ModelError(f"{path} does not exist", "Check the path")
    if not path.is_dir():
        raise ModelError(
            f"{path} is not a directory", "Name a diffusers model directory, not one of its files"
        )
    if not (path / INDEX).is_file():
        raise ModelError(
            f"{path} has no {INDEX}",
            "Name a diffusers model directory, or a single-file checkpoint in safetensors",
        )
    return path.resolve()


def _vocabulary(folder: Path, class_name: str) -> int:
    """One more than the highest token id."""
    name, whole, vocab = folder.name, folder / "tokenizer.json", folder / "vocab.json"
    # Without tokenizer.json, transformers takes CLIP's from the other two, and T5's from spiece.model.
    other = not class_name.startswith("T5") and vocab.exists() and (folder / "merges.txt").exists()
    if not whole.exists() and not other:
        raise ModelError(
            f"{name} has no tokenizer.json"
            if class_name.startswith("T5")
            else f"{name} has neither tokenizer.json nor vocab.json with merges.txt",
            "Save it again, with from_pretrained and save_pretrained of transformers' AutoTokenizer",
        )
    tables: list[Any] = []
    if vocab.exists():
        tables.append(read_object(vocab, f"{name}/vocab.json"))
    if whole.exists():
        tree = read_object(whole, f"{name}/tokenizer.json")
        model, added = tree.get("model"), tree.get("added_tokens")
        tables.append(_by_token(model.get("vocab") if isinstance(model, dict) else None))
        tables.append(
            {i: t.get("id") for i, t in enumerate(added) if isinstance(t, dict)}
            if isinstance(added, list)
            else {}
        )
    if not all(isinstance(t, dict) for t in tables):
        raise ModelError(f"{name}/tokenizer.json has no vocabulary", "Save the tokenizer again")
    ids = [i for table in tables for i in table.values()]
    if not ids or not all(isinstance(i, int) and i >= 0 for i in ids):
        raise ModelError(f"{name}: the token ids are not whole numbers", "Save the tokenizer again")
    return max(ids) + 1


def _by_token(vocab: Any) -> Any:
    """Ids by token; a unigram model lists its tokens in the order of their ids, with scores."""
    return {k: k for k in range(len(vocab))} if isinstance(vocab, list) else vocab


def _config(root: Path, name: str, file: str, classes: tuple[str, str]) -> dict[str, Any]:
    where = f"{name}/{file}"
    if not (root / where).is_file():
        raise ModelError(f"{where} is missing", "Save the whole pipeline again")
    config = read_object(root / where, where)
    library, class_name = classes
    said = config.get("_class_name", class_name)
    if said != class_name:
        raise ModelError(
            f"{where}: _class_name is {said!r:.80}, {INDEX} says {class_name}",
            "Save the whole pipeline again",
        )
    check_limits(config, where)
    settled = settle(library, class_name, config)
    if name.startswith("tokenizer"):
        settled["vocab_size"] = _vocabulary(root / name, class_name)
    return settled


def check_directory(path: Path | str) -> CheckedDirectory:
    """Checks everything that can be checked without opening the model, and digests every file.

    Raises ModelError, naming the file or the key and what mends it, for: a path that is no model directory;
    weights other than safetensors; code; links that leave; keys that load code; classes that are not allowed;
    damaged or missing weights; numbers that are not finite; components whose sizes do not fit together.
    """
    root = _root(Path(path))
    try:
        return _check(root)
    except OSError as error:
        raise ModelError(
            f"{error.filename or root} cannot be read: {error.strerror}", "Check its rights"
        ) from None


def check_skeleton(path: Path | str) -> Skeleton:
    """Checks a directory but for its weights, which may be absent; raises ModelError as check_directory."""
    found, _ = _skeleton(_root(Path(path)))
    return found


def _skeleton(root: Path) -> tuple[Skeleton, tuple[Stamp, ...]]:
    seen = stamps(root)
    names = [where for where, *_ in seen if where.endswith(".json")]
    for where in names:
        read_object(root / where, where)
    index = read_object(root / INDEX, INDEX)
    layout, classes = read_layout(index)
    parts = {n: layout.parts[n] for n in classes if layout.parts[n].opened}
    configs = {n: _config(root, n, part.config, classes[n]) for n, part in parts.items()}
    check_fit(layout, configs)
    found = Skeleton(
        path=root,
        pipeline=index["_class_name"],
        layout=layout,
        settings={k: v for k, v in index.items() if not isinstance(v, list) and not k.startswith("_")},
        classes=classes,
        configs=configs,
    )
    return found, seen


def _check(root: Path) -> CheckedDirectory:
    found, seen = _skeleton(root)
    parts = {n: found.layout.parts[n] for n in found.configs}
    held = {n: component_weights(root / n, part.weights, n) for n, part in parts.items() if part.weights}
    for name, (_, tensors) in held.items():
        check_shapes(name, found.classes[name][1], found.configs[name], tensors)
    return CheckedDirectory(
        **vars(found),
        tensors={n: tensors for n, (_, tensors) in held.items()},
        weights={n: tuple(f"{n}/{file}" for file in files) for n, (files, _) in held.items()},
        files={where: _digest(root / where, where) for where, *_ in seen},
        stamps=seen,
    )


def _digest(path: Path, where: str) -> str:
    if path.suffix == ".safetensors":
        return scan(path, read_header(path, where), where)
    return digest(path)


def check_unchanged(checked: CheckedDirectory) -> None:
    """Raises ModelError when a file was added, removed or written since `checked` was made.

    Between check and use lies time. Reading gigabytes twice would close it no better than this: sizes, inodes
    and times of change, of which the last cannot be set by a program without the clock.
    """
    if stamps(checked.path) != checked.stamps:
        raise changed(checked.path)
