"""What a licence asks is said where it is known, and not guessed where it is not."""

from __future__ import annotations

import pytest

from burnish.core.licences import terms_of


@pytest.mark.parametrize(
    ("licence", "commercial", "word"),
    [
        ("apache-2.0", True, "notices"),
        ("CC-BY-SA-4.0", True, "same licence"),
        ("cc-by-nc-4.0", False, "No commercial use"),
        ("creativeml-openrail-m", True, "rules of use"),
        ("stabilityai-ai-community", None, "revenue"),
        ("unknown", None, "read it"),
        ("my-own", None, "read it"),
    ],
)
def test_terms_are_those_of_the_licence(licence: str, commercial: bool | None, word: str) -> None:
    """By its id in any case; one that is not known is to be read first."""
    found = terms_of(licence)
    assert found.commercial is commercial
    assert word in " ".join(found.duties)
