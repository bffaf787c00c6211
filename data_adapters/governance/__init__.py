"""Governance of records: checks, quarantine of what fails them, and the quality report."""

from data_adapters.governance.cleaning import clean, with_warnings
from data_adapters.governance.quality import Example, QualityReport, TableQuality

__all__ = ["Example", "QualityReport", "TableQuality", "clean", "with_warnings"]
