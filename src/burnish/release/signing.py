"""Signatures over a release's folder, as OpenSSF Model Signing defines them: a local key, or sigstore.

Who is trusted is the user's to say: the public keys in a folder, this user's own among them, and identities
that sigstore vouches for. https://openssf.org, "Model Signing v1.0"
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from burnish.core.errors import ReleaseError
from burnish.core.files import read_foreign, user_directory, write_bytes
from burnish.core.release import SIGNATURE
from burnish.core.values import Part

PRIVATE, PUBLIC, TRUSTED = "signing.pem", "signing.pub", "trusted"
MOST_KEY_BYTES = 16 << 10
ALTERED = "Signature mismatch"  # how the library begins where a file is not the one that was signed


class Identity(Part):
    """Whom sigstore must name: an address, and who vouches for it (an OpenID Connect issuer's URL)."""

    identity: str
    issuer: str


@dataclass(frozen=True)
class Trust:
    """Whose releases are taken: public keys' files, and identities of sigstore."""

    keys: tuple[Path, ...] = ()
    identities: tuple[Identity, ...] = ()


def keys_folder() -> Path:
    """Where this user's keys lie."""
    return user_directory("config") / "keys"


def own_key() -> Path:
    """The private key of this user (ECDSA on P-256, PEM), its public half beside it; made at first use."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = keys_folder()
    private = folder / PRIVATE
    if not private.is_file():
        made = ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        _write_private(private, made.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    if not (folder / PUBLIC).is_file():
        public = serialization.load_pem_private_key(private.read_bytes(), password=None).public_key()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        write_bytes(folder / PUBLIC, public.public_bytes(serialization.Encoding.PEM, spki))
    return private


def trusted(others: Sequence[Path] = ()) -> Trust:
    """The user's own key, what lies in the folder `trusted` beside it, and `others`; raises ReleaseError.

    There NAME.pub is a public key and NAME.json an identity of sigstore.
    """
    folder = keys_folder()
    own_key()
    for path in others:
        _require_public(path)
    keys = folder / PUBLIC, *sorted((folder / TRUSTED).glob("*.pub")), *others
    return Trust(keys, tuple(map(_identity, sorted((folder / TRUSTED).glob("*.json")))))


def sign(folder: Path, key: Path | None = None, *, sigstore: bool = False) -> None:
    """Signs every file of a release's folder with a key, this user's own unless given, or through sigstore.

    Raises ReleaseError where the key is none, or sigstore cannot be reached.
    """
    from model_signing import signing

    config = signing.Config().set_hashing_config(_hashing())
    path = folder / SIGNATURE
    try:
        if sigstore:
            config.use_sigstore_signer(use_ambient_credentials=True)
        else:
            config.use_elliptic_key_signer(private_key=key or own_key())
        config.sign(folder, path)
    except Exception as error:  # keys and sigstore's network make the library raise almost anything
        path.unlink(missing_ok=True)
        whose = "sigstore" if sigstore else str(key or PRIVATE)
        raise ReleaseError(
            f"{whose} does not sign: {_first(error)}", "Check the key, or the network"
        ) from error


def require_signed(folder: Path, trust: Trust) -> str:
    """Who signed a release's folder: the name of the key's file, or the identity.

    Raises ReleaseError where no one trusted did, or a file is altered, missing, or not among those signed.
    """
    path = folder / SIGNATURE
    if not path.is_file() or path.is_symlink():
        raise ReleaseError(f"{folder} has no signature", "Release it again, or do not use it")
    problems = []
    for key in trust.keys:
        if not (problem := _verified(folder, "use_elliptic_key_verifier", public_key=key)):
            return key.name
        problems.append(problem)
    for one in trust.identities:
        asked = {"identity": one.identity, "oidc_issuer": one.issuer}
        if not (problem := _verified(folder, "use_sigstore_verifier", **asked)):
            return one.identity
        problems.append(problem)
    altered = next((p for p in problems if p.startswith(ALTERED)), "")
    if altered:
        raise ReleaseError(
            f"{folder} is not what was signed: {altered}", "Fetch it again; do not use this copy"
        )
    raise ReleaseError(
        f"{folder} is signed by no one who is trusted here",
        f"If you know the signer, put the public key into {keys_folder() / TRUSTED} as NAME.pub",
    )


def _verified(folder: Path, how: str, **whom: Any) -> str:
    """Why a signature does not hold; "" where it does."""
    from model_signing import verifying

    try:
        config = getattr(verifying.Config(), how)(**whom)
        config.set_hashing_config(_hashing()).verify(folder, folder / SIGNATURE)
    except Exception as error:  # whatever a stranger's signature, or key, makes the library raise
        return _first(error)
    return ""


def _hashing() -> Any:
    """Every file but the signature: none is passed over for its name, and no link is followed."""
    from model_signing import hashing

    config = hashing.Config().use_file_serialization(hashing_algorithm="sha256", max_workers=2)
    return config.set_ignored_paths(paths=[Path(SIGNATURE)], ignore_git_paths=False)


def _identity(path: Path) -> Identity:
    try:
        return Identity.model_validate_json(read_foreign(path, ReleaseError, MOST_KEY_BYTES))
    except ValidationError as error:
        shape = '{"identity": "...", "issuer": "https://..."}'
        raise ReleaseError(f"{path}: {error.errors()[0]['msg']}", f"Write {shape}") from None


def _require_public(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        with path.open("rb") as file:
            found = serialization.load_pem_public_key(file.read(MOST_KEY_BYTES))
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} is no public key: {_first(error)}", "Give a PEM file") from None
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise ReleaseError(f"{path} is no key of an elliptic curve", "Give one of P-256, P-384 or P-521")


def _write_private(path: Path, data: bytes) -> None:
    """Whole, and readable by its owner alone from the first; one that is there stays."""
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # which has mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        with suppress(FileExistsError):  # another process made one at the same moment
            os.link(aside, path)
    finally:
        Path(aside).unlink()


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
