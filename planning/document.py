"""YAML as people write it: keys in their original order, texts of several lines as blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

_WIDTH: Final = 4096
"""Never fold a line: shell and PEM texts must come back byte for byte."""


if TYPE_CHECKING:
    _Emitter = yaml.SafeDumper
else:
    # libyaml's emitter writes the same text in a fifth of the time. It is missing where PyYAML was
    # built without libyaml.
    _Emitter = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Emitter):
    """Block style for texts with line breaks, no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as inherited
        """Write repeated values out: readers of such files expect no anchors."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def yaml_text(*documents: object) -> str:
    """One YAML stream of the documents, `---` between them."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=_WIDTH,
        allow_unicode=True,
    )
