"""The club's tables on SQLite and PostgreSQL; nothing of Tortoise or a driver leaves here."""

import inspect


def _bring_in_tortoise() -> None:
    """Keep it from reading every model's source for comments to keep in the database.

    We have none, and looking for them takes an eighth of each command's time.
    """

    def no_source(_model: object) -> str:
        raise OSError

    usual = inspect.getsource
    inspect.getsource = no_source  # type: ignore[assignment]
    try:
        from tortoise import models  # which has models of its own
    finally:
        inspect.getsource = usual
    setattr(models, "_get_comments", lambda _model: {})  # noqa: B010 - not exported


_bring_in_tortoise()
