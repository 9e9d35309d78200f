"""The stages of a run, listed once and in order in `harness.stages.order`."""
