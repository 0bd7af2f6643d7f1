"""Filters of the input: each pixel is computed from its neighborhood."""
