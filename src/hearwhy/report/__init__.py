"""Reports: everything an explanation says, as plain words, as a dictionary and as one page that plays it."""

from hearwhy.report.html import report
from hearwhy.report.overview import summarise_timeline
from hearwhy.report.summary import summarise
from hearwhy.report.timeline import report_timeline

__all__ = ["report", "report_timeline", "summarise", "summarise_timeline"]
