"""All targets by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.fuzz import cms_targets, file_targets, mail_targets

if TYPE_CHECKING:
    from tests.fuzz.harness import Target

TARGETS: Final[dict[str, Target]] = {**cms_targets.TARGETS, **mail_targets.TARGETS, **file_targets.TARGETS}
