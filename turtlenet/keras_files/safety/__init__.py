"""What in a model file would run code, read other files or take all memory, found by reading names only."""
