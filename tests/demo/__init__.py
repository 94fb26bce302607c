"""The stories that `make demo` plays on real parts."""
