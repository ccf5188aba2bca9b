"""An extension of griffe: the section `Example:` of a docstring is a section of examples, so that the site shows it as code."""

import re
from typing import Any

import griffe


class DocstringExamples(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
