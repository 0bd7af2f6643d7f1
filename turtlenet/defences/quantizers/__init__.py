"""Quantizers: layers that leave few values, of the input or of activations."""
