"""Private set intersection: which learners several sites share, without showing the others."""

from edufed.privacy.psi.alignment import Alignment
from edufed.privacy.psi.ids import Identifiers, normalise
from edufed.privacy.psi.keyed_hash import KeyedHashMatcher, KeyedHashSite
from edufed.privacy.psi.plan import PsiError, PsiPlan
from edufed.privacy.psi.site import PsiSite

__all__ = [
    "Alignment",
    "Identifiers",
    "KeyedHashMatcher",
    "KeyedHashSite",
    "PsiError",
    "PsiPlan",
    "PsiSite",
    "normalise",
]
