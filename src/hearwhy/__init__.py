"""Hear why your audio classifier decided what it decided."""

__version__ = "0.1.0"
