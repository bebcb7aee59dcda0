"""A search as one HTML file, and two searches side by side."""

from hivenas.reports.page.document import report_page, write_report
from hivenas.reports.page.story import Condition, Story

__all__ = ["Condition", "Story", "report_page", "write_report"]
