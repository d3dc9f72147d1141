"""A release is immutable, signed, and leads back: promoted and rolled back once it verifies."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import burnish
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError, ReleaseError
from burnish.core.licences import terms_of
from burnish.core.release import BUNDLE, CARD, RELEASE, SIGNATURE, Reference
from burnish.release import aliases
from burnish.release.folder import Opened, open_folder
from burnish.release.registry import Registry
from burnish.release.signing import keys_folder, own_key, trusted
from burnish.runtime import Pipeline
from tests.conftest import asked
from tests.release.conftest import Released


def released(folder: Path, name: str, **said: object) -> Opened:
    """What was just released, opened."""
    entry = burnish.release(folder, name, **said)  # type: ignore[arg-type]
    return burnish.open_release(f"{name}@{entry.version}")


def copy_of(opened: Opened, tmp_path: Path) -> Path:
    """Its folder, to be damaged."""
    return Path(shutil.copytree(opened.folder, tmp_path / "copy"))


def test_a_release_draws_what_its_bundle_draws(judged: Released) -> None:
    """The same pictures, to the bit."""
    folder = judged()
    opened = released(folder, "same")
    ours, theirs = (Pipeline(where).generate(asked("stable_diffusion")) for where in (opened.bundle, folder))
    assert (ours == theirs).all()


def test_a_release_says_what_it_is(judged: Released) -> None:
    """What it was made from, its verdict, who released it, and what its licence asks."""
    opened = released(judged(), "says", note="the first", by="ann")
    made = opened.release
    found = Bundle.read(opened.bundle / MANIFEST)
    assert (made.bundle, made.model_digest, made.plan) == (found.identity, found.model.digest, found.plan)
    assert (made.standing, made.note, made.released_by) == ("equivalent: PASS", "the first", "ann")
    assert (made.licence, made.duties) == (found.model.licence, terms_of(found.model.licence).duties)
    card = (opened.folder / CARD).read_text()
    assert "equivalent: PASS" in card
    assert found.identity in card


def test_versions_count_up(judged: Released) -> None:
    """Each names as its parent the one that was stable when it was released."""
    first = released(judged(steps=2), "line")
    burnish.promote("line")
    second = released(judged(steps=3), "line")
    assert first.release.parent == ""
    assert second.release.parent == first.release.digest
    (listed,) = burnish.releases("line")
    assert [v["version"] for v in listed["versions"]] == [1, 2]
    assert listed["aliases"] == {"candidate": 2, "stable": 1}


def test_promote_and_rollback_move_the_aliases(judged: Released) -> None:
    """Back one by one to the first; the history says who did what, and why."""
    for steps in (2, 3, 4):
        burnish.release(judged(steps=steps), "moved")
        burnish.promote("moved", by="ann", why=f"{steps} steps")
    assert burnish.releases("moved")[0]["aliases"] == {"stable": 3, "previous": 2}
    assert burnish.rollback("moved", by="bob", why="dark").version == 2
    assert burnish.rollback("moved").version == 1
    listed = burnish.releases("moved")[0]
    assert listed["aliases"] == {"stable": 1}
    last = listed["history"][-2]
    assert (last["action"], last["version"], last["who"], last["why"]) == ("rollback", 2, "bob", "dark")
    with pytest.raises(ReleaseError, match="nothing of moved was stable before"):
        burnish.rollback("moved")


@pytest.mark.parametrize("outcome", ["FAIL", "INCONCLUSIVE", ""])
def test_without_a_pass_it_is_unproven_everywhere(judged: Released, outcome: str) -> None:
    """Released and promoted only where that is said, and its card and lists show it."""
    name = f"unproven-{outcome.lower() or 'none'}"
    folder = judged(outcome)
    with pytest.raises(ReleaseError, match="--unproven"):
        burnish.release(folder, name)
    assert Registry().entries(name) == []
    opened = released(folder, name, unproven=True)
    assert opened.release.standing == f"unproven ({outcome or 'not judged'})"
    assert "nothing here says that it is as good" in (opened.folder / CARD).read_text()
    with pytest.raises(ReleaseError, match=r"unproven.*--unproven"):
        burnish.promote(name)
    assert burnish.promote(name, unproven=True).version == 1


def test_a_bundle_is_released_once(judged: Released) -> None:
    """The second time, the error names the version that it is."""
    folder = judged()
    burnish.release(folder, "once")
    with pytest.raises(ReleaseError, match="once@1 already"):
        burnish.release(folder, "once")


def test_of_many_who_promote_at_once_one_succeeds(judged: Released) -> None:
    """The others are told, and the alias means what the one wrote."""
    for steps in (2, 3, 4):
        burnish.release(judged(steps=steps), "race")
    registry = Registry()
    seen = registry.standing("race").last

    def promote(version: int) -> str:
        try:
            return str(registry.append("race", "promote", version, seen, *aliases.say_so()).version)
        except ReleaseError as error:
            return str(error)

    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(promote, (1, 2, 3)))
    (won,) = [answer for answer in answers if answer.isdigit()]
    assert sum("at the same moment" in answer for answer in answers) == 2
    assert aliases.find(registry, Reference("race", "stable")).version == int(won)


def altered(folder: Path) -> None:
    """One bit of a weight."""
    path = folder / BUNDLE / "denoiser.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def swapped(folder: Path) -> None:
    """What the gate said."""
    text = (folder / RELEASE).read_text()
    (folder / RELEASE).write_text(text.replace('"outcome": "FAIL"', '"outcome": "PASS"'))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a bit of a weight": altered,
    "the verdict": swapped,
    "a file less": lambda folder: (folder / BUNDLE / "program.json").unlink(),
    "a file more": lambda folder: (folder / BUNDLE / "more.py").write_text("import os"),
    "a file of git": lambda folder: (folder / ".gitignore").write_text("*"),
    "a link": lambda folder: (folder / BUNDLE / "more").symlink_to("/etc/passwd"),
    "no signature": lambda folder: (folder / SIGNATURE).unlink(),
    "a signature that is none": lambda folder: (folder / SIGNATURE).write_text('{"mediaType": []}'),
    "no release": lambda folder: (folder / RELEASE).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_signed_is_not_opened(judged: Released, tmp_path: Path, damage: str) -> None:
    """Altered, less, more, linked, unsigned: refused; the undamaged copy opens."""
    name = "damaged-" + damage.replace(" ", "-")
    folder = copy_of(released(judged("FAIL"), name, unproven=True), tmp_path)
    open_folder(folder, trusted())
    DAMAGE[damage](folder)
    with pytest.raises(ReleaseError):
        open_folder(folder, trusted())


def test_an_altered_release_gets_no_alias(judged: Released) -> None:
    """It is neither promoted nor rolled back to, the error names the file, and the aliases stay."""
    for steps in (2, 3):
        burnish.release(judged(steps=steps), "rotten")
    burnish.promote("rotten@1")
    burnish.promote("rotten@2")
    altered(burnish.open_release("rotten@1").folder)
    with pytest.raises(ReleaseError, match=r"denoiser\.bin"):
        burnish.rollback("rotten")
    with pytest.raises(ReleaseError, match=r"denoiser\.bin"):
        burnish.promote("rotten@1")
    assert burnish.releases("rotten")[0]["aliases"]["stable"] == 2


def test_a_stranger_is_trusted_only_when_asked(judged: Released, tmp_path: Path) -> None:
    """What another key signed is taken with that key alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "theirs.pem", tmp_path / "theirs.pub"
    pem = serialization.Encoding.PEM
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    burnish.release(judged(), "stranger", key=private)
    with pytest.raises(ReleaseError, match="signed by no one who is trusted here"):
        burnish.promote("stranger")
    burnish.promote("stranger", trust=[public])
    assert burnish.open_release("stranger", trust=[public]).signer == "theirs.pub"


def test_what_is_no_key_of_a_curve_is_refused(judged: Released, tmp_path: Path) -> None:
    """RSA, text, nothing: in one line, before anything is opened."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "rsa.pub").write_bytes(public.public_bytes(serialization.Encoding.PEM, spki))
    (tmp_path / "text.pub").write_text("no key")
    burnish.release(judged(), "keys")
    for name in ("rsa.pub", "text.pub", "nothing.pub"):
        with pytest.raises(ReleaseError, match=name):
            burnish.promote("keys", trust=[tmp_path / name])


def test_identities_are_trusted_from_files_beside_the_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NAME.json says whom sigstore must name; what says something else is refused, by its file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    place = keys_folder() / "trusted"
    place.mkdir(parents=True)
    (place / "ann.json").write_text('{"identity": "ann@example.org", "issuer": "https://example.org"}')
    (found,) = trusted().identities
    assert (found.identity, found.issuer) == ("ann@example.org", "https://example.org")
    (place / "bob.json").write_text('{"identity": "bob@example.org"}')
    with pytest.raises(ReleaseError, match=r"bob\.json.*issuer"):
        trusted()


def test_the_private_key_is_its_owners_alone() -> None:
    """No one else can read it; the public half is a PEM file."""
    assert stat.S_IMODE(own_key().stat().st_mode) == 0o600
    assert (keys_folder() / "signing.pub").read_text().startswith("-----BEGIN PUBLIC KEY")


def test_what_is_not_there_is_answered_with_what_is(judged: Released) -> None:
    """A version, an alias, a name."""
    burnish.release(judged(), "there")
    for text, said in {
        "there@7": "@1, @candidate = 1",
        "there": "@candidate = 1",
        "elsewhere": "there",
    }.items():
        with pytest.raises(ReleaseError, match=said):
            burnish.open_release(text)


def test_a_damaged_bundle_is_not_released(judged: Released) -> None:
    """The registry has no new version."""
    folder = judged()
    altered_bundle = folder / "denoiser.bin"
    altered_bundle.write_bytes(altered_bundle.read_bytes()[:-1])
    with pytest.raises(BundleError, match="digest"):
        burnish.release(folder, "broken")
    assert Registry().entries("broken") == []


def test_a_registry_that_is_none_is_refused() -> None:
    """The error says what one looks like."""
    with pytest.raises(ReleaseError, match="sqlite:///FILE"):
        Registry("ftp://example.org")
