"""The Hugging Face hub: repositories pinned by commit, files checked, rows and SAEs converted once."""
