"""Reports: everything an explanation says, as plain words, as a dictionary and as one page that plays it."""

from hearwhy.report.html import report
from hearwhy.report.summary import summarise

__all__ = ["report", "summarise"]
