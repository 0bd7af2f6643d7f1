"""The arrays of a file and the variables of a model: which belongs to which."""
