"""What a report of robustness says, for people and for machines: its page, its tables, JUnit, SARIF, cards."""
