"""Custom attributes of ours beside those that other libraries register under the same names."""

from typing import Any, Callable, Type, Union

from spacy.tokens import Doc, Span, Token

from ..errors import CrossnerError, Errors

Owner = Union[Type[Doc], Type[Span], Type[Token]]


def register_extension(owner: Owner, name: str, getter: Callable[..., Any], setter: Callable[..., Any]) -> None:
    """Expose a value as `owner._.name`, unless the name is taken; see `require_extension`."""
    if not owner.has_extension(name):
        owner.set_extension(name, getter=getter, setter=setter)


def require_extension(owner: Owner, name: str, getter: Callable[..., Any]) -> None:
    """Check that `owner._.name` gives our value.

    An attribute that another library has registered with a default reads and writes the same place as ours. One with a
    getter or a method of its own knows nothing of our value.

    owner (Owner): Doc, Span or Token.
    name (str): the attribute.
    getter (Callable): our getter.
    RAISES (CrossnerError): another library has registered it with a getter or a method.
    """
    if owner.has_extension(name):
        _, method, found, _ = owner.get_extension(name)
        if method is not None or found not in (None, getter):
            other = method or found
            where = f"{getattr(other, '__module__', '?')}.{getattr(other, '__qualname__', other)}"
            raise CrossnerError(Errors.C023.format(attribute=f"{owner.__name__}._.{name}", where=where, name=name))
