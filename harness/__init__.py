"""A reproducibility benchmark harness for feature-steered, preference-tuned language models."""

__version__ = "0.1.0"
