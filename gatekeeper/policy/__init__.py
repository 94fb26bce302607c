"""The policy document: its schema, its conditions, its check, its sentences."""
