"""A real homeserver, a real PostgreSQL, independent people and a proxy that can go wrong."""
