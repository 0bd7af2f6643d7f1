"""Attacks in the order in which they pay, each on the images that it may still break; `choice.py` has the rule."""
