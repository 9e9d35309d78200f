"""FSRL: a frozen model, a frozen sparse autoencoder and a one-layer adapter that steers its features."""
