"""The arms that the steered model is compared with."""
