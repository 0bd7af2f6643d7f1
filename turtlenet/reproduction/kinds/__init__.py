"""What a paper asks of a model, one kind a file."""
