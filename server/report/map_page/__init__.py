"""The quality map as one page for people who decide: map, league, drill-down, trends, change."""

from server.report.map_page.render import render

__all__ = ["render"]
