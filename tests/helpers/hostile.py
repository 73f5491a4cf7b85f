"""Words that a file, a folder or a server might hold to mislead whoever looks at them."""

import unicodedata

WORDS = {
    "escape sequence": "\x1b[31mred\x1b[0m",
    "hyperlink": "\x1b]8;;http://example.org\x07click\x1b]8;;\x07",
    "8-bit escape": "\x9b31mred",
    "rewriting the line": "good\r\x1b[2Kbad",
    "backspace": "bad\x08\x08\x08good",
    "null": "a\x00b",
    "line break": "one\ntwo",
    "odd line breaks": "one\u2028two\x85three\x0bfour",
    "right-to-left override": "a\u202egnp.exe",
    "isolates": "\u2067abc\u2069",
    "right-to-left letters": "שלום عليكم",
    "emoji": "👩\u200d🔬🏽",
    "script": "<script>alert('x')</script>",
    "entity": "&lt;b&gt;",
    "pipe": "a|b|c",
    "Markdown link": "[x](http://example.org) ![y](z)",
    "Markdown marks": "**b** __c__ `d` ~~e~~ \\",
    "mathematics": "$x^{$ and $\\frac$",
    "LaTeX": "\\input{/etc/passwd} % # & ~ ^ {",
    "rich markup": "[red]x[/red] [/] :skull:",
    "path": "../../../etc/passwd",
    "absolute path": "/etc/passwd",
    "long": "x" * 5000,
}

RAW = {"Cc", "Cf", "Cs", "Zl", "Zp"}
JOINERS = "\u200c\u200d"


def raw(text: str) -> set[str]:
    """The characters of a text that must not be shown as they are, line breaks apart."""
    kept = "\n" + JOINERS
    return {c for c in text if unicodedata.category(c) in RAW and c not in kept}
