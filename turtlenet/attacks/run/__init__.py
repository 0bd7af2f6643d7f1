"""How an attack is run: as one compiled graph a batch, over any number of images, in batches and over processes."""
