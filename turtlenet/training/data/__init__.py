"""What a run trains on: batches that are a function of the step, their augmentation, and the weights of classes."""
