"""The vocabulary: everything that a YAML file can name. One family, one file; one technique, one class."""
