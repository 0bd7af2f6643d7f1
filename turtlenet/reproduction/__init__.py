"""The papers' tables beside ours: one script a paper, one JSON file a row, and a page made of them."""
