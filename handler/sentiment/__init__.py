"""Text in, labels and scores out: the core of the handler, which knows no TorchServe.

`body` reads what a client sent, a dialect decodes it to a `Request`, the `Classifier` scores the
texts of all requests of a batch together, and the dialect encodes the answer.
"""
