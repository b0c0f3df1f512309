"""Make the vectors: ``python -m tests.vectors.hostile.make`` writes them anew, each the same as before.

``manifest.json`` says of each file how every operation on it must end. What is large is not written here but made by
:mod:`tests.vectors.hostile.large` when it is tested.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.vectors.hostile import containers, credentials, envelopes, mails, seeds

if TYPE_CHECKING:
    from tests.vectors.hostile.vector import Vector

HERE: Final = Path(__file__).parent
GROUPS: Final = {"envelopes": envelopes, "mails": mails, "credentials": credentials, "containers": containers}
KEYS: Final = "alice.key"


def made() -> dict[str, dict[str, Vector]]:
    """Return all vectors by group and name."""
    found = {}
    for group, module in GROUPS.items():
        listed = list(module.vectors())
        found[group] = {each.name: each for each in listed}
        assert len(found[group]) == len(listed)  # each has a name of its own
    return found


def files() -> dict[str, bytes]:
    """Return the content of every file by its path below this folder."""
    groups = made()
    manifest = {f"{group}/{name}": each.expected for group, vectors in groups.items() for name, each in vectors.items()}
    return {
        **{f"{group}/{name}": each.octets for group, vectors in groups.items() for name, each in vectors.items()},
        KEYS: seeds.key_file(),
        "manifest.json": (json.dumps(manifest, indent=1) + "\n").encode(),
    }


def main() -> None:
    """Write them, and remove what is no longer one."""
    wanted = files()
    for group in GROUPS:
        for old in (HERE / group).glob("*"):
            if f"{group}/{old.name}" not in wanted:
                old.unlink()
    for name, octets in wanted.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)


if __name__ == "__main__":
    main()
