"""The embedded province: seeded learners of several regions, platforms and education types.

Everything follows from the settings: a region's files are the same whoever generates them, and
however many other regions there are. `truth` says what a perfect model would know.
"""

from data_adapters.province.settings import ProvinceSettings
from data_adapters.province.truth import Truth, preferences, truth
from data_adapters.province.write import write_province, write_region

__all__ = ["ProvinceSettings", "Truth", "preferences", "truth", "write_province", "write_region"]
