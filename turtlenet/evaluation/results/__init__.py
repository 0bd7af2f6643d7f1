"""The report of an evaluation and what is made of reports: files, comparisons, sweeps and leaderboards."""
