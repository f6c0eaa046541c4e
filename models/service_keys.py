"""The keys that sign registry tokens, shared by every process of the installation through the database."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import or_, select, update

from models.session import Session
from models.tables import ServiceKey
from models.tables.base import now
from models.vault import new_token


def create_service_key(session: Session) -> ServiceKey:
    """A new Ed25519 key, which signs from now on."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ServiceKey(kid=new_token(16), encrypted_private_key=session.vault.encrypt(pem.decode()))
    session.add(key)
    session.flush()
    return key


def rotate_service_key(session: Session, *, keep_s: int) -> ServiceKey:
    """A new signing key; the old ones still verify for `keep_s` seconds, the longest life of a token."""
    session.execute(
        update(ServiceKey).where(ServiceKey.expires_at.is_(None)).values(expires_at=now() + timedelta(seconds=keep_s))
    )
    return create_service_key(session)


def list_service_keys(session: Session) -> list[ServiceKey]:
    """The keys that still verify, the one that signs first."""
    alive = or_(ServiceKey.expires_at.is_(None), ServiceKey.expires_at > now())
    return list(session.scalars(select(ServiceKey).where(alive).order_by(ServiceKey.id.desc())))
