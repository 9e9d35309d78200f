"""The base language model as a profile declares it, and the training of an SAE on its residual stream."""
