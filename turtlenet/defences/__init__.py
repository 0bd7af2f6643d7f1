"""Defence layers: one a file. None is registered yet."""
