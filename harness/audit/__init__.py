"""The behavioural audit: which attributes of an answer an arm has come to prefer."""
