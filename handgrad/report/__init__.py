"""The report of one comparison: a single HTML page that needs nothing else, on line or off."""

from handgrad.report.page import write_report

__all__ = ["write_report"]
