"""The model side: texts in, predictions out. It knows nothing of HTTP."""
