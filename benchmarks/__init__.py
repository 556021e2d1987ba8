"""Measures this service beside other ways to serve the same model: see RESULTS.md."""
