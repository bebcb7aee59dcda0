"""The charts of searches: each is defined once, for the page and for the files that MLflow keeps."""

from hivenas.reports.charts.chart import Chart
from hivenas.reports.charts.drawing import bee_class, role_names, symbol_of, symbols
from hivenas.reports.charts.files import draw_plots, standalone, style
from hivenas.reports.charts.kinds import charts
from hivenas.reports.charts.races import Runner, races

__all__ = [
    "Chart",
    "Runner",
    "bee_class",
    "charts",
    "draw_plots",
    "races",
    "role_names",
    "standalone",
    "style",
    "symbol_of",
    "symbols",
]
