"""The papers' tables from one command: rows as TOML, measured one by one, and the page that they make.

Nothing is imported here, so that papers and rows can be listed without a framework.
"""
