"""Other engines on the twelve rules of admission; run by the Python of an environment of its own.

`python policy_peers.py NAME FACTS.json` reads what `policy` wrote (constants, facts, what each rule
gives), tells its version and its wrong answers as a line of JSON, then for every line that it is
sent judges all facts once and answers with the seconds that took. It knows nothing of Gatekeeper.
A judge gets plain facts and gives each rule's result; what an engine cannot express is worked out
for it before, inside the measured time, and named in `helped`.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

Given = dict[str, Any]
Judge = Callable[[Given], Sequence[bool]]
DAY = 86_400
TIMES = ("submitted", "declined_at", "created")


def cel_rust(constants: Mapping[str, Any]) -> tuple[Judge, str]:
    """common-expression-language: all rules as one list; it has no lowerAscii()."""
    import cel

    c = {name: json.dumps(value) for name, value in constants.items()}
    program = cel.compile(
        f"""[
        a.country in {c["countries"]},
        a.server in {c["servers"]},
        a.text.matches({c["spam"]}),
        a.links > 3,
        a.declines >= 3,
        has(a.declined_at) && a.submitted - a.declined_at < duration('720h'),
        a.proven && a.server in {c["trusted"]},
        a.vouches >= 2 && has(a.created) && a.submitted - a.created > duration('720h'),
        a.text.matches({c["invite"]}),
        size(a.why) < 80,
        has(a.created) && a.submitted - a.created < duration('168h'),
        a.tags.exists(t, t in {c["topics"]}) && a.why_small.contains('hello')]"""
    )

    def judge(given: Given) -> Sequence[bool]:
        there = {name: value for name, value in given.items() if value is not None}
        there["why_small"] = given["why"].lower()
        found: list[bool] = program.execute({"a": there})
        return found

    return judge, "small letters"


def cedar(constants: Mapping[str, Any]) -> tuple[Judge, str]:
    """cedarpy: a permit for each rule; those that hold are the reasons of the answer."""
    import cedarpy

    def any_of(names: Sequence[str]) -> str:
        return json.dumps(list(names))

    conditions = [
        f"{any_of(constants['countries'])}.contains(context.country)",
        f"{any_of(constants['servers'])}.contains(context.server)",
        "context.spam",
        "context.links > 3",
        "context.declines >= 3",
        f"context has declined_at && context.submitted - context.declined_at < {30 * DAY}",
        f"context.proven && {any_of(constants['trusted'])}.contains(context.server)",
        "context.vouches >= 2 && context has created && "
        f"context.submitted - context.created > {30 * DAY}",
        "context.invite",
        "context.letters < 80",
        f"context has created && context.submitted - context.created < {7 * DAY}",
        f"context.tags.containsAny({any_of(constants['topics'])}) && context.hello",
    ]
    policies = cedarpy.PolicySet.from_str if hasattr(cedarpy.PolicySet, "from_str") else str
    text = policies(
        "\n".join(f"permit(principal, action, resource) when {{ {one} }};" for one in conditions)
    )
    spam, invite = re.compile(constants["spam"]), re.compile(constants["invite"])
    request = {"principal": 'User::"a"', "action": 'Action::"join"', "resource": 'Club::"c"'}
    names = [f"policy{number}" for number in range(len(conditions))]

    def judge(given: Given) -> Sequence[bool]:
        context = {name: value for name, value in given.items() if value is not None}
        for name in TIMES:
            if name in context:
                context[name] = int(context[name].timestamp())
        context["spam"] = spam.search(given["text"]) is not None
        context["invite"] = invite.search(given["text"]) is not None
        context["letters"] = len(given["why"])
        context["hello"] = "hello" in given["why"].lower()
        answer = cedarpy.is_authorized({**request, "context": context}, text, [])
        reasons = set(answer.diagnostics.reasons)
        return [name in reasons for name in names]

    return judge, "patterns, letters, small letters, times as seconds"


def zen(constants: Mapping[str, Any]) -> tuple[Judge, str]:
    """zen-engine: its expressions, all rules as one list; times as seconds."""
    import zen as engine

    expression = engine.compile_expression(
        """[
        country in c.countries,
        server in c.servers,
        matches(text, c.spam),
        links > 3,
        declines >= 3,
        declined_at != null and submitted - declined_at < 2592000,
        proven and server in c.trusted,
        vouches >= 2 and created != null and submitted - created > 2592000,
        matches(text, c.invite),
        len(why) < 80,
        created != null and submitted - created < 604800,
        some(tags, # in c.topics) and contains(lower(why), 'hello')]"""
    )
    fixed = dict(constants)

    def judge(given: Given) -> Sequence[bool]:
        context = {**given, "c": fixed}
        for name in TIMES:
            if context[name] is not None:
                context[name] = context[name].timestamp()
        found: list[bool] = expression.evaluate(context)
        return found

    return judge, "times as seconds"


def rule_engine(constants: Mapping[str, Any]) -> tuple[Judge, str]:
    """rule-engine: a Rule for each; its strings are read as JSON's are."""
    import rule_engine as engine

    kinds, kind = {}, engine.DataType
    for names, one in (
        ("country server text why", kind.STRING),
        ("links declines vouches", kind.FLOAT),
        ("submitted declined_at created", kind.DATETIME),
        ("proven", kind.BOOLEAN),
        ("tags", kind.ARRAY(kind.STRING)),
    ):
        kinds.update(dict.fromkeys(names.split(), one))
    resolver = engine.type_resolver_from_dict(kinds)
    about = engine.Context(type_resolver=resolver)
    c = {name: json.dumps(value) for name, value in constants.items()}
    conditions = [
        f"country in {c['countries']}",
        f"server in {c['servers']}",
        f"text =~~ {c['spam']}",
        "links > 3",
        "declines >= 3",
        'declined_at != null and submitted - declined_at < t"P30D"',
        f"proven and server in {c['trusted']}",
        'vouches >= 2 and created != null and submitted - created > t"P30D"',
        f"text =~~ {c['invite']}",
        "why.length < 80",
        'created != null and submitted - created < t"P7D"',
        f'[t for t in tags if t in {c["topics"]}].length > 0 and "hello" in why.as_lower',
    ]
    rules = [engine.Rule(one, context=about) for one in conditions]

    def judge(given: Given) -> Sequence[bool]:
        return [rule.matches(given) for rule in rules]

    return judge, ""


def business_rules(constants: Mapping[str, Any]) -> tuple[Judge, str]:
    """business-rules: conditions as data over methods of a class, which work out what it cannot."""
    from business_rules import variables as kinds
    from business_rules.engine import check_conditions_recursively as check

    class Facts(kinds.BaseVariables):  # type: ignore[misc]
        def __init__(self, given: Given) -> None:
            self.given = given

    def add(name: str, kind: Any, value: Callable[[Given], Any]) -> None:
        def look(self: Facts) -> Any:
            return value(self.given)

        look.__name__ = name
        setattr(Facts, name, kind(look))

    def since(given: Given, name: str) -> float:
        moment = given[name]
        return 1e12 if moment is None else (given["submitted"] - moment).total_seconds()

    number, text = kinds.numeric_rule_variable, kinds.string_rule_variable
    truth, many = kinds.boolean_rule_variable, kinds.select_multiple_rule_variable()
    for name in ("links", "declines", "vouches"):
        add(name, number, lambda given, name=name: given[name])
    add("country", many, lambda given: [given["country"]])
    add("server", many, lambda given: [given["server"]])
    add("tags", many, lambda given: given["tags"])
    add("text", text, lambda given: given["text"])
    add("why", text, lambda given: given["why"].lower())
    add("letters", number, lambda given: len(given["why"]))
    add("proven", truth, lambda given: given["proven"])
    add("declined", number, lambda given: since(given, "declined_at"))
    add("age", number, lambda given: since(given, "created"))
    add("aged", truth, lambda given: given["created"] is not None)

    def one(name: str, operator: str, value: Any) -> dict[str, Any]:
        return {"name": name, "operator": operator, "value": value}

    shared = "shares_at_least_one_element_with"
    conditions: list[dict[str, Any]] = [
        one("country", shared, constants["countries"]),
        one("server", shared, constants["servers"]),
        one("text", "matches_regex", constants["spam"]),
        one("links", "greater_than", 3),
        one("declines", "greater_than_or_equal_to", 3),
        one("declined", "less_than", 30 * DAY),
        {"all": [one("proven", "is_true", True), one("server", shared, constants["trusted"])]},
        {"all": [one("vouches", "greater_than_or_equal_to", 2), one("aged", "is_true", True),
                 one("age", "greater_than", 30 * DAY)]},
        one("text", "matches_regex", constants["invite"]),
        one("letters", "less_than", 80),
        {"all": [one("aged", "is_true", True), one("age", "less_than", 7 * DAY)]},
        {"all": [one("tags", shared, constants["topics"]), one("why", "contains", "hello")]},
    ]  # fmt: skip

    def judge(given: Given) -> Sequence[bool]:
        facts = Facts(given)
        return [bool(check(condition, facts)) for condition in conditions]

    return judge, "spans of time, letters, small letters"


PEERS: Mapping[str, Callable[[Mapping[str, Any]], tuple[Judge, str]]] = {
    "common-expression-language": cel_rust,
    "cedarpy": cedar,
    "zen-engine": zen,
    "rule-engine": rule_engine,
    "business-rules": business_rules,
}


def main(name: str, file: str) -> None:
    """Serve one engine until there are no more lines."""
    with open(file, encoding="utf-8") as opened:
        work = json.load(opened)
    for given in work["facts"]:
        for moment in TIMES:
            if given[moment] is not None:
                given[moment] = datetime.fromisoformat(given[moment])
    judge, helped = PEERS[name](work["constants"])
    wrong = rules = 0
    for given, right in zip(work["facts"], work["right"], strict=True):
        found = [one is True for one in judge(given)]
        rules += found != right[: len(found)]
        wrong += _fires(found) != _fires(right[: len(found)])
    told = {"version": version(name), "wrong": wrong, "unlike": rules, "helped": helped}
    print(json.dumps(told), flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        for given in work["facts"]:
            judge(given)
        print(json.dumps(time.process_time() - began), flush=True)


def _fires(found: Sequence[bool]) -> int:
    return next((place for place, one in enumerate(found) if one), -1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
