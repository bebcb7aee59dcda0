"""Tables and pictures of a search, from its records."""

from hivenas.reports.augmentation import draw_augmentation
from hivenas.reports.charts import draw_plots
from hivenas.reports.front import front_table
from hivenas.reports.overview import search_note
from hivenas.reports.predictions import draw_predictions
from hivenas.reports.report_data import Condition, ReportData
from hivenas.reports.text import (
    Summary,
    as_markdown,
    as_text,
    best_table,
    figure,
    model_note,
    short,
)

__all__ = [
    "Condition",
    "ReportData",
    "Summary",
    "as_markdown",
    "as_text",
    "best_table",
    "draw_augmentation",
    "draw_plots",
    "draw_predictions",
    "figure",
    "front_table",
    "model_note",
    "search_note",
    "short",
]
