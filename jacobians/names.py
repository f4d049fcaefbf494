"""Names are only names: one printable line each, whatever they were, in every output."""

from __future__ import annotations


def printable(name: str) -> str:
    r"""Return a name as one line of printable letters; what else was in it is shown as an escape.

    Line breaks would end a line of a table or a comment of code, control characters steer terminals, and marks of
    direction turn what stands beside them.

    Examples
    --------
    >>> printable("∂F/∂W")
    '∂F/∂W'
    >>> print(printable("a\nimport os\x1b[31m\u202e"))
    a\nimport os\x1b[31m\u202e
    """
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def class_name(value: object) -> str:
    r"""Return the name of the class of an object, or of a class itself, as one line of printable letters.

    Examples
    --------
    >>> class_name(3.0), class_name(float), class_name(type("A\nB", (), {})())
    ('float', 'float', 'A\\nB')
    """
    return printable((value if isinstance(value, type) else type(value)).__name__)


def class_said(value: object) -> str:
    """Return the name of the class of an object, and that it is a class of what is one itself.

    Examples
    --------
    >>> class_said(3.0), class_said(float)
    ('float', 'the class float')
    """
    return f"the class {class_name(value)}" if isinstance(value, type) else class_name(value)


def quotable(text: str) -> str:
    r'''Return a line of text as it may stand between triple quotes in code: it ends no string, and escapes nothing.

    Examples
    --------
    >>> print(quotable('A"""+f()'))
    A\"\"\"+f()
    '''
    return text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
