"""One act a module: load, decide, save in one transaction; platforms are asked outside of it."""
