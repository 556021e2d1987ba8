"""Start, watch and stop one TorchServe."""
