"""Model files: recognised by their bytes, read as plain data, judged safe, built, filled, checked; and written."""
