"""A search as one HTML file, and two searches side by side."""

from hivenas.reports.page.comparison import Comparison, Side, comparison_page, write_comparison
from hivenas.reports.page.document import report_page, write_report
from hivenas.reports.page.story import Condition, Story

__all__ = [
    "Comparison",
    "Condition",
    "Side",
    "Story",
    "comparison_page",
    "report_page",
    "write_comparison",
    "write_report",
]
