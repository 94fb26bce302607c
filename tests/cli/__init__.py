"""The command line, over a club in a folder of its own."""
