from importlib.resources import files
from io import BytesIO

import pytest
from babel.messages.pofile import read_po as by_babel

from gatekeeper.policy.po import read_po
from gatekeeper.policy.texts import languages


@pytest.mark.parametrize("language", languages())
def test_reads_what_babel_reads(language):
    raw = files("gatekeeper").joinpath("locale", f"{language}.po").read_bytes()
    theirs = by_babel(BytesIO(raw), locale=language)
    expected = {
        message.id if isinstance(message.id, str) else message.id[0]: (
            (message.string,) if isinstance(message.string, str) else tuple(message.string)
        )
        for message in theirs
        if message.id
    }
    ours = read_po(raw.decode())
    assert ours.sentences == expected
    assert ours.plural == theirs.plural_expr


def test_lines_that_go_on_and_letters_that_are_escaped():
    read = read_po(
        'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
        '# a note\nmsgid "a"\nmsgstr ""\n"one \\"two\\"\\n"\n"three\\\\"\n\n'
        'msgid "b"\nmsgid_plural "b"\nmsgstr[0] "x"\nmsgstr[1] "y"\n\nmsgid "c"\nmsgstr ""\n'
    )
    assert read == ({"a": ('one "two"\nthree\\',), "b": ("x", "y")}, "(n > 1)")


@pytest.mark.parametrize("line", ["msgstr x", '"of nothing"', 'msgctxt "who"', 'msgid "a" b'])
def test_a_line_that_cannot_be_read_is_named(line):
    with pytest.raises(ValueError, match="line 2 cannot be read"):
        read_po(f"# a catalogue\n{line}\n")
