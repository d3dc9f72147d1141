"""Prompts into token ids with the bundle's own tokenizer file; what is cut off is said."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from burnish.core.errors import BundleError, PromptCutWarning, RequestError

MAX_PROMPT_BYTES = 32_000
MOST_SPECIAL = 16  # tokens around a text, where CLIP has two; each part of a long text is given all of them


class PromptTokenizer:
    """Reads a tokenizer.json whose truncation and padding are part of the file."""

    def __init__(self, path: Path, max_tokens: int | None = None) -> None:
        """Raises BundleError for a file that is no tokenizer, or does not make `max_tokens` of every text."""
        self._path = path
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises Exception itself, and no subclass
            raise BundleError(f"{path} is no tokenizer: {error!s:.200}", "Build the bundle again") from None
        if max_tokens is not None:
            _require_length(self._tokenizer, max_tokens, path)

    def ids(self, prompts: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n, max_tokens) ids, and their mask; warns of what did not fit; RequestError above 32 kB."""
        for prompt in prompts:
            if len(prompt.encode("utf-8", "surrogatepass")) > MAX_PROMPT_BYTES:
                raise RequestError(f"a prompt is longer than {MAX_PROMPT_BYTES} bytes", "Shorten it")
        try:
            encodings = self._tokenizer.encode_batch([p.encode("utf-8", "replace").decode() for p in prompts])
        except Exception as error:  # the library's own, where the file lacks a token that it names
            raise BundleError(f"{self._path} reads no text: {error!s:.200}", "Build it again") from None
        for prompt, encoding in zip(prompts, encodings, strict=True):
            if encoding.overflowing:
                kept = max((end for _, end in encoding.offsets), default=0)
                warnings.warn(
                    f"the prompt was cut; not read: {prompt[kept:].strip()!r}", PromptCutWarning, stacklevel=3
                )
        ids, mask = ([getattr(e, field) for e in encodings] for field in ("ids", "attention_mask"))
        return np.array(ids, dtype=np.int64), np.array(mask, dtype=np.int64)


def _require_length(tokenizer: Tokenizer, max_tokens: int, path: Path) -> None:
    """Raises BundleError unless every text becomes `max_tokens` ids, as `burnish.build` saves it.

    Before any text is read: the library allocates what the file says, and ends the process where it cannot.
    """
    cut, filled = tokenizer.truncation or {}, tokenizer.padding or {}
    special = tokenizer.num_special_tokens_to_add(False)
    found = {
        "truncation max_length": (cut.get("max_length"), max_tokens),
        "truncation stride": (cut.get("stride"), 0),
        "truncation strategy": (cut.get("strategy"), "longest_first"),
        "padding length": (filled.get("length"), max_tokens),
        "padding pad_to_multiple_of": (filled.get("pad_to_multiple_of"), None),
    }
    for field, (value, expected) in found.items():
        if value != expected:
            raise BundleError(f"{path}: {field} is {value}, not {expected}", "Build the bundle again")
    if special > min(MOST_SPECIAL, max_tokens):
        raise BundleError(f"{path} puts {special} tokens around a text", "Build the bundle again")
