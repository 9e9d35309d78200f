"""Where a run's model, SAE and rows come from: bundle, GGUF package, hub, data root or random weights."""
