"""The club's tables on SQLite and PostgreSQL; nothing of Tortoise or a driver leaves here."""
