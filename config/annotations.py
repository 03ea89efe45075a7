"""The types in a model's annotations, without what pydantic and `| None` put around them."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def inner_type(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    """The annotation without `Annotated` and without `| None`; a union of several stays."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return inner_type(members[0])
    return annotation


def model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    """The model in an annotation, which may be optional; None if it is not a model."""
    kind = inner_type(annotation)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def entries_of(annotation: Any) -> tuple[type, Any] | None:  # noqa: ANN401 - any annotation
    """`dict` or `tuple`, and the annotation of its values; None for any other type."""
    kind = inner_type(annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        return dict, arguments[1]
    return (tuple, arguments[0]) if origin is tuple else None
