"""``python -m smime_session_cli`` is ``smime-session``."""

from __future__ import annotations

from . import main

main()
