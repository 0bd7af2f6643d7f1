"""What all reports share: statistics, JSON, text, figures, versions."""
