"""Whether data, bounds and radius are what a model was made for."""
