"""A federation's CA and the coordinator's server certificate (X.509, TLS).

Sites trust this CA alone, so a certificate from elsewhere, however valid, opens nothing.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edufed.private_files import (
    IdentityError,
    private_folder,
    read_file,
    read_private,
    write_private,
)

#: Always in the server certificate: the ServerApp and `edufed status` call from this machine.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_CA_DAYS = 3650
_SERVER_DAYS = 825  # the most that common TLS clients accept


def make_ca(folder: Path, federation: str) -> None:
    """Make the federation's CA: `ca.key` (stays with the coordinator) and `ca.pem`.

    Raises
    ------
    IdentityError
        The folder holds a CA already.
    """
    if (folder / "ca.pem").exists() or (folder / "ca.key").exists():
        raise IdentityError(f"{folder} holds a CA already; choose another folder or remove it")
    private_folder(folder)
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{federation} CA")])
    ca = (
        _certificate(name, name, key.public_key(), _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    write_private(folder / "ca.key", _pem(key))
    write_private(folder / "ca.pem", ca.public_bytes(serialization.Encoding.PEM))


def issue_server_certificate(folder: Path, hosts: Sequence[str]) -> None:
    """Sign a new server key and certificate for `hosts` with the CA in `folder`.

    Raises
    ------
    IdentityError
        There is no CA, or a host is neither a name nor an address.
    """
    ca = x509.load_pem_x509_certificate(read_file(folder / "ca.pem"))
    ca_key = serialization.load_pem_private_key(read_private(folder / "ca.key"), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"{folder / 'ca.key'} is not a key that keys init made")
    names = [_general_name(host) for host in dict.fromkeys([*hosts, *LOCAL_HOSTS])]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edufed coordinator")])
    certificate = (
        _certificate(subject, ca.subject, key.public_key(), _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA384())
    )
    write_private(folder / "server.key", _pem(key))
    write_private(folder / "server.pem", certificate.public_bytes(serialization.Encoding.PEM))


def make_loopback_certificate(folder: Path) -> None:
    """Make ``runtime.key`` and a self-signed ``runtime.pem`` for 127.0.0.1 in `folder`.

    A SuperNode and its worker talk under it on one machine. Made anew at each start, and trusted
    by nobody else.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edufed site, this machine only")])
    certificate = (
        _certificate(name, name, key.public_key(), _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(digital_signature=True, key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name("127.0.0.1")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(folder / "runtime.key", _pem(key))
    write_private(folder / "runtime.pem", certificate.public_bytes(serialization.Encoding.PEM))


def server_certificate_end(folder: Path) -> datetime.datetime:
    """Return until when the server certificate in `folder` is valid (UTC)."""
    return x509.load_pem_x509_certificate(read_file(folder / "server.pem")).not_valid_after_utc


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not host or not all(part and part.isascii() for part in host.split(".")) or ":" in host:
        raise IdentityError(f"{host!r} is neither a host name nor an IP address")
    return x509.DNSName(host)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # A site's clock may be a little behind.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(**set_bits: bool) -> x509.KeyUsage:
    bits = dict.fromkeys(
        [
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ],
        False,
    )
    return x509.KeyUsage(**{**bits, **set_bits})


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
