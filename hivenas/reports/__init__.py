"""Tables and pictures of a search, from its records."""

from hivenas.reports.augmentation import draw_augmentation
from hivenas.reports.overview import Progress, search_note
from hivenas.reports.plots import BEE_COLOURS, draw_plots
from hivenas.reports.predictions import draw_predictions
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
    "BEE_COLOURS",
    "Progress",
    "Summary",
    "as_markdown",
    "as_text",
    "best_table",
    "draw_augmentation",
    "draw_plots",
    "draw_predictions",
    "figure",
    "model_note",
    "search_note",
    "short",
]
