"""Values and pure decisions: nothing here waits, looks outside or knows the time."""
