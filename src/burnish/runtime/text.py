"""Prompts into token ids with the bundle's own tokenizer file; what is cut off is said."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from burnish.core.errors import PromptCutWarning, RequestError

MAX_PROMPT_BYTES = 32_000


class PromptTokenizer:
    """Reads a tokenizer.json whose truncation and padding are part of the file."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))

    def ids(self, prompts: list[str]) -> NDArray[np.int64]:
        """(n, max_tokens) ids; warns with the words that did not fit; RequestError above 32 kB."""
        for prompt in prompts:
            if len(prompt.encode("utf-8", "surrogatepass")) > MAX_PROMPT_BYTES:
                raise RequestError(f"a prompt is longer than {MAX_PROMPT_BYTES} bytes", "Shorten it")
        encodings = self._tokenizer.encode_batch([p.encode("utf-8", "replace").decode() for p in prompts])
        for prompt, encoding in zip(prompts, encodings, strict=True):
            if encoding.overflowing:
                kept = max((end for _, end in encoding.offsets), default=0)
                warnings.warn(
                    f"the prompt was cut; not read: {prompt[kept:].strip()!r}", PromptCutWarning, stacklevel=3
                )
        return np.array([e.ids for e in encodings], dtype=np.int64)
