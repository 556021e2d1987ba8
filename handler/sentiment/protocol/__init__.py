"""The HTTP side: read bodies, check requests, encode answers. It does not know the model."""
