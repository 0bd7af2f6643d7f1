"""What turtlenet costs, side by side with the peers, in one run: `python benchmarks/run.py`."""
