"""The objectives that trained arms can have, one file each (`harness.training.objective`)."""
