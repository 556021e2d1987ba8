"""Measurements summarised, as tables and plots."""
