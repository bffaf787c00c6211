"""Which bundles a site takes part in: those that stand for code that it approves."""

from __future__ import annotations

from edufed.bundle import BundleError, bundle_code, installed_code


def bundle_refusal(bundle: bytes, approved: list[str]) -> str | None:
    """Say why a bundle is refused, or None where it stands for code that the site approves."""
    own = installed_code()
    try:
        code = bundle_code(bundle)
    except BundleError as error:
        return f"bundle refused: {error}"
    if code == own or code.hash in approved:
        return None
    return (
        f"bundle refused: {code.hash} (EduFed {code.version}) is not approved by this site,"
        f" which runs {own.hash[:19]}... (EduFed {own.version})"
    )
