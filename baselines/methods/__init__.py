"""The mathematics of the fitted arms: tensors in, tensors out; no model, no file, no profile."""
