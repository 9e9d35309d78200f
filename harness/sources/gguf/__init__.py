"""Model and tokenizer out of a GGUF file that an installed package carries."""
