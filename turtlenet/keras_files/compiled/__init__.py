"""The compiled state of a model, optimizer, loss and metrics: out of a file, or from another model."""
