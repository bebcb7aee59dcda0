"""A search as one HTML file, and two searches side by side."""

from hivenas.reports.page.comparison import ComparedSearch, Comparison, comparison_page, write_comparison
from hivenas.reports.page.document import report_page, write_report
from hivenas.reports.report_data import Condition, ReportData

__all__ = [
    "ComparedSearch",
    "Comparison",
    "Condition",
    "ReportData",
    "comparison_page",
    "report_page",
    "write_comparison",
    "write_report",
]
