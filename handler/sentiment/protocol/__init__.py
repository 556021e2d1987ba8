"""The HTTP side: bodies in, requests checked, answers encoded. It knows nothing of the model."""
