"""What stands outside under each policy."""

from __future__ import annotations

import pytest

from smime_session.mail.header_policy import POLICIES

ALICE = "Alice Lovelace <alice@smime.example>"
DATE = "Sat, 20 Feb 2021 10:13:02 -0500"


@pytest.mark.parametrize(
    ("policy", "name", "value", "outside"),
    [
        ("hcp_no_confidentiality", "subject", "Lunch", "Lunch"),
        ("hcp_no_confidentiality", "keywords", "food", "food"),
        ("hcp_baseline", "subject", "Lunch", "[...]"),
        ("hcp_baseline", "keywords", "food", None),
        ("hcp_baseline", "comments", "tasty", None),
        ("hcp_baseline", "from", ALICE, ALICE),
        ("hcp_baseline", "date", DATE, DATE),
        ("hcp_shy", "subject", "Lunch", "[...]"),
        ("hcp_shy", "comments", "tasty", None),
        ("hcp_shy", "from", ALICE, "alice@smime.example"),
        ("hcp_shy", "to", f"{ALICE}, Bob (the other) <bob@smime.example>", "alice@smime.example, bob@smime.example"),
        ("hcp_shy", "cc", "Friends: a@b.example, C <c@d.example>;", "a@b.example, c@d.example"),
        ("hcp_shy", "to", "undisclosed-recipients:;", "undisclosed-recipients:;"),
        ("hcp_shy", "to", "nobody at all", "nobody at all"),
        ("hcp_shy", "to", "Ünal <ü@smime.example>", "Ünal <ü@smime.example>"),
        ("hcp_shy", "sender", ALICE, ALICE),
        ("hcp_shy", "date", DATE, "Sat, 20 Feb 2021 15:13:02 +0000"),
        ("hcp_shy", "date", "20 Feb 2021 15:13 GMT", "Sat, 20 Feb 2021 15:13:00 +0000"),
        ("hcp_shy", "date", "Sat, 20 Feb 2021 10:13:02 -0000", "Sat, 20 Feb 2021 10:13:02 +0000"),
        ("hcp_shy", "date", "today", "today"),
        ("hcp_shy", "date", "Sat, 20 Feb 2021 10:13:02 -9999", "Sat, 20 Feb 2021 10:13:02 -9999"),
        ("hcp_shy", "date", "Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 23:59:59 -0100"),
        ("hcp_shy", "x-other", "as it is", "as it is"),
    ],
)
def test_a_policy_shows_and_hides_what_the_rfc_says(policy: str, name: str, value: str, outside: str | None) -> None:
    """The value outside is the one of RFC 9788, 3.2; what a policy cannot read stays as it is."""
    assert POLICIES[policy](name, value) == outside
