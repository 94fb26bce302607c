"""The tables, the dataclasses and the laws of life say the same."""

import ast
import dataclasses
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gatekeeper.domain import activity, applications, clubs, decisions, identity, memberships
from gatekeeper.storage import club_tables, tables
from gatekeeper.storage.mapping import MODELS, mapper
from gatekeeper.storage.statements import where
from gatekeeper.testing.fakes_rows import KINDS, ONE_OPEN, UNIQUE

TOP = Path(__file__).resolve().parents[2]
LOOKS = {"find", "first", "count", "remove"}


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
def test_a_table_has_the_fields_of_its_dataclass(kind):
    columns = mapper(kind, "sqlite").columns
    fields = MODELS[kind]._meta.fields_map
    assert set(columns) == set(fields) == {field.name for field in dataclasses.fields(kind)}
    assert [name for name in columns if columns[name].nullable != fields[name].null] == []


def test_every_dataclass_that_has_an_id_and_a_club_has_a_table():
    modules = (activity, applications, clubs, decisions, identity, memberships)
    stored = {
        value
        for module in modules
        for value in vars(module).values()
        if dataclasses.is_dataclass(value)
        and {"id", "club"} <= {field.name for field in dataclasses.fields(value)}
    }
    assert stored == set(MODELS) == set(KINDS)


@pytest.mark.parametrize("model", tables.Row.__subclasses__(), ids=lambda model: model.__name__)
def test_every_table_has_its_club(model):
    assert not model._meta.fields_map["club"].null


def test_the_record_and_the_secrets_have_their_club():
    for model in (club_tables.Entry, club_tables.EntryInput, club_tables.Head, club_tables.Secret):
        assert "club" in model._meta.fields_map


def test_the_fake_knows_the_same_unique_keys():
    ours = {
        kind: tuple(name for name in model._meta.unique_together[0] if name != "club") or ("club",)
        for kind, model in MODELS.items()
        if model._meta.unique_together
    }
    assert ours == UNIQUE


def test_the_partial_keys_name_the_states_of_the_domain(file):
    """A state that is added to a life must be added here too."""
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute(
            "SELECT tbl_name, sql FROM sqlite_master WHERE sql LIKE '% WHERE state IN %'"
        ).fetchall()
    named = {table: set(re.findall(r"'([^']+)'", sql)) for table, sql in found}
    assert named == {
        MODELS[kind]._meta.db_table: {state.value for state in states}
        for kind, states in ONE_OPEN.items()
    }
    assert applications.OPEN - ONE_OPEN[applications.Application] == {applications.State.UNPROVEN}


SCANS = [  # what the relay, the due scan, sweeps and intake ask over and over
    ("SELECT id FROM orders WHERE club=? AND progress=? AND due_at<=?", "orders"),
    ("SELECT id FROM applications WHERE club=? AND due_at<=?", "applications"),
    ("SELECT id FROM applications WHERE club=? AND identity=?", "applications"),
    ("SELECT id FROM memberships WHERE club=? AND state=? AND grace_ends_at<=?", "memberships"),
    ("SELECT id FROM memberships WHERE club=? AND welcome_due_at<=?", "memberships"),
    ("SELECT id FROM accounts WHERE club=? AND identity=?", "accounts"),
    ("SELECT id FROM handled WHERE club=? AND platform=? AND event_id=?", "handled"),
    ("SELECT id FROM cards WHERE club=? AND ref=?", "cards"),
    ("SELECT id FROM passes WHERE club=? AND digest=?", "passes"),
    ("SELECT id FROM coverage WHERE club=? AND platform=? AND end>?", "coverage"),
    ("SELECT * FROM entries WHERE club=? AND sequence>? ORDER BY sequence LIMIT 9", "entries"),
    ("SELECT * FROM entries WHERE club=? AND subject=? AND sequence>?", "entries"),
]


@pytest.mark.parametrize(("statement", "table"), SCANS, ids=lambda text: text[-40:])
def test_what_is_asked_often_has_an_index(file, statement, table):
    asked = statement.replace("end>", '"end">')
    with closing(sqlite3.connect(file)) as connection:
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {asked}", ["x"] * asked.count("?")
        ).fetchall()
    told = " ".join(row[3] for row in plan)
    assert f"SEARCH {table} USING" in told
    # every column of the question narrows it
    assert told.count("?") == asked.count("?")


@pytest.mark.parametrize("wanted", [{"id": 7}, {"id__in": tuple(range(400))}], ids=["one", "many"])
def test_what_is_asked_by_its_number_is_looked_up_by_it(file, wanted):
    """SQLite thinks a club small, and would walk over all of it instead."""
    mapped = mapper(memberships.Membership, "sqlite")
    known, values = where(mapped, "house", wanted | {"state": "active"})
    asked = f"EXPLAIN QUERY PLAN SELECT * FROM memberships WHERE {known} ORDER BY id"
    with closing(sqlite3.connect(file)) as connection:
        (told,) = connection.execute(asked, values).fetchall()
    assert "USING INTEGER PRIMARY KEY (rowid=?)" in told[3]


def test_every_field_is_read_somewhere():
    """What is only ever written is no use to anybody, and is kept about people all the same."""
    read = set()
    for file in (TOP / "gatekeeper").rglob("*.py"):
        if file.parent.name in {"testing", "storage", "migrations"}:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in LOOKS:
                read |= {word.arg.partition("__")[0] for word in node.keywords if word.arg}
    unread = {
        f"{kind.__name__}.{field.name}"
        for kind in MODELS
        for field in dataclasses.fields(kind)
        if field.name not in read
    }
    assert unread == set()
