"""What a model's licence asks of whoever passes the model or its pictures on, in plain words.

A summary to act on, not advice: the licence's own text decides. Ids are spelled as SPDX and Hugging Face do.
"""

from __future__ import annotations

from typing import NamedTuple


class Terms(NamedTuple):
    """`commercial` is None where the licence is not known here, or depends on who asks."""

    name: str
    commercial: bool | None
    duties: tuple[str, ...]


KEEP = "Keep the licence's text and notices with every copy of the model."
CREDIT = "Credit the makers, link the licence and say what was changed."
ALIKE = "Share what is derived from the model under the same licence."
RULES = "Pass on the licence's rules of use, and keep to them."

_TERMS = (
    Terms("apache-2.0", True, (KEEP, "Say which files were changed.")),
    Terms("mit", True, (KEEP,)),
    Terms("bsd-3-clause", True, (KEEP,)),
    Terms("cc0-1.0", True, ()),
    Terms("cc-by-4.0", True, (CREDIT,)),
    Terms("cc-by-sa-4.0", True, (CREDIT, ALIKE)),
    Terms("cc-by-nc-4.0", False, (CREDIT, "No commercial use.")),
    Terms("cc-by-nc-sa-4.0", False, (CREDIT, ALIKE, "No commercial use.")),
    Terms("openrail", True, (RULES, KEEP)),
    Terms("openrail++", True, (RULES, KEEP)),
    Terms("creativeml-openrail-m", True, (RULES, KEEP)),
    Terms("bigscience-openrail-m", True, (RULES, KEEP)),
    Terms("flux-1-dev-non-commercial-license", False, ("No commercial use of the model.", RULES, KEEP)),
    Terms("stabilityai-ai-community", None, ("Commercial use is free below a yearly revenue.", RULES, KEEP)),
)
_BY_NAME = {terms.name: terms for terms in _TERMS}


def terms_of(licence: str) -> Terms:
    """The terms of a licence by its id, any case; of one that is not known, to read it first."""
    unknown = Terms(licence, None, ("This licence is not known here: read it before passing the model on.",))
    return _BY_NAME.get(licence.lower(), unknown)
