"""What each objective of hardening gives for what it costs: on one net, on one budget of epochs."""
