"""Where a run's model, SAE and rows come from: the bundle, a package's GGUF file, the hub, a data root."""
