"""The conversion of Azure ML's expressions to the templates of the config.

Azure ML writes `${{inputs.x}}`. A template has no dollar sign (see `mnist_exp.templates`).
"""

import re
from collections.abc import Mapping

from mnist_exp.templates import references

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_REFERENCE = re.compile(r"\s*(inputs|outputs|search_space)\.([A-Za-z_]\w*)\s*", re.ASCII)


def template(command: str, keys: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a command as a template, and one message for each fault.

    Args:
        command: The command in Azure ML's spelling.
        keys: Name of a swept parameter on Azure ML -> key of the search space, for each name that
            is not the key.
    """
    faults = []

    def reference(match: re.Match[str]) -> str:
        found = _REFERENCE.fullmatch(match[1])
        if found is None:
            faults.append(
                f"{match[0]} is no expression of a job; a job has ${{{{inputs.x}}}}, "
                "${{outputs.x}} and ${{search_space.x}}"
            )
            return match[0]
        kind, name = found.groups()
        return f"{{{{{kind}.{keys.get(name, name) if kind == 'search_space' else name}}}}}"

    for kind, name in sorted(references(_EXPRESSION.sub("", command))):
        faults.append(
            f"{{{{{kind}.{name}}}}} is plain text on Azure ML; write ${{{{{kind}.{name}}}}}"
        )
    return _EXPRESSION.sub(reference, command), faults
