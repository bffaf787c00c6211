"""Products of one party's residuals and another's features, exact, and seen by neither."""

from edufed.privacy.products.dealt import Dealer, DealtFeature, DealtLabel
from edufed.privacy.products.encrypted import FeatureParty, LabelParty
from edufed.privacy.products.message import Shape
from edufed.privacy.products.prepared import PreparedLabel
from edufed.privacy.products.scale import ProductError, Scale

__all__ = [
    "Dealer",
    "DealtFeature",
    "DealtLabel",
    "FeatureParty",
    "LabelParty",
    "PreparedLabel",
    "ProductError",
    "Scale",
    "Shape",
]
