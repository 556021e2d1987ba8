"""Text in, labels and scores out: the core of the handler, which imports no TorchServe.

`batch` takes requests to responses. `protocol` is the HTTP side, `inference` the model's.
"""

# The version of the API in the OpenAPI document; the same as the client's.
__version__ = "0.2.0"
