"""What older Kerases meant: rules that bring a description of any era to Keras 3, and the layers that it dropped."""
