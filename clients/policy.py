"""What a site allows, enforced before any of its data is touched."""

from __future__ import annotations

from edufed.config.site import Policy


class PolicyRefusalError(Exception):
    """The site's own policy says no. A normal, reported answer; the message travels."""


def check_learners(policy: Policy, learners: int) -> None:
    """Refuse where too few learners are eligible.

    Raises
    ------
    PolicyRefusalError
    """
    if learners < policy.min_learners:
        raise PolicyRefusalError(
            f"policy.min_learners is {policy.min_learners} and fewer learners are eligible"
        )


def check_quality(policy: Policy, rows: int, rejected: int) -> None:
    """Refuse where too large a share of the rows had to be rejected.

    Raises
    ------
    PolicyRefusalError
    """
    if rows and rejected / rows > policy.max_rejected_share:
        raise PolicyRefusalError(
            f"{rejected} of {rows} rows were rejected, more than policy.max_rejected_share"
            f" ({policy.max_rejected_share:g}) allows; see edufed check-site"
        )
