"""From YAML text and overrides to a frozen, filled ExperimentConfig, with every error at its line."""
