"""Registration of custom attributes, with a check for an attribute of the same name from another library."""

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

    An attribute that another library has registered with a default value is stored under the same key as ours, and
    gives our value. An attribute with its own getter or method does not.

    owner (Owner): Doc, Span or Token.
    name (str): the attribute.
    getter (Callable): our getter.
    RAISES (CrossnerError): another library has registered it with a getter or a method.
    """
    if owner.has_extension(name):
        _, method, getter_in_use, _ = owner.get_extension(name)
        if method is not None or getter_in_use not in (None, getter):
            function = method or getter_in_use
            where = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
            raise CrossnerError(Errors.C023.format(attribute=f"{owner.__name__}._.{name}", where=where, name=name))
