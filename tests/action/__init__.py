"""The GitHub action, run as the runner of GitHub Actions runs it."""
