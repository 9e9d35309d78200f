"""The committed miniature: its files, and an autoencoder at a block that it has none for."""
