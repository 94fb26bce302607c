"""Who joins a club, who is asked to come back, and who is let go."""
