"""The stages of a run, one module each; `harness.stages.stage` lists them and runs one."""
