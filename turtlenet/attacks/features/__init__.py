"""What an attack may do to each feature: bounds, radii and rules, from what users, files and training data say."""
