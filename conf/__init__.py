"""Settings, as Hydra YAML groups."""
