"""What a job leaves behind for people: `report.json`, and one page made from it."""

from server.report.contract import Report
from server.report.write import Written, write_report

__all__ = ["Report", "Written", "write_report"]
