"""Summarizes measurements, and writes them as tables and plots."""
