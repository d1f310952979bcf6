"""Keeps pytest's doctest collection from running the scripts that make the golden files."""

collect_ignore_glob = ["make_*.py"]
