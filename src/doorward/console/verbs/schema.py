"""``doorward schema``: the JSON Schema of contracts files."""

from __future__ import annotations

from doorward.console.options import Output
from doorward.console.shell import verb


@verb
def schema(output: Output = None) -> int:
    """Print the JSON Schema of contracts files, for editors."""
    import json

    from doorward.console.out import write
    from doorward.contracts.schema import json_schema

    write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", output)
    return 0
