"""The session keys that may open a message: what is addressed to those who may read it, unwrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from smime_session.arguments import check_identities
from smime_session.cms.pbkdf2 import too_many_iterations
from smime_session.errors import DecryptionError, LimitError, MessageError, NoMatchError, PolicyError
from smime_session.recipients.locked import unlocked_if_needed
from smime_session.recipients.registry import (
    NamedIdentity,
    is_laborious,
    is_locked,
    is_selective,
    legacy_algorithm,
    may_need_senders,
    names_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smime_session.cms.values import EnvelopeHeader, WrappedKey
    from smime_session.profiles import Policy
    from smime_session.recipients.registry import Identity, SelectiveIdentity
    from smime_session.session_key import SessionKey


class Candidate(NamedTuple):
    """A session key that may open the message, and where it comes from.

    Attributes:
        key: the session key, or a decoy.
        wrapped: the recipient info that it was wrapped in; None if the identity did not say.
    """

    key: SessionKey
    wrapped: WrappedKey | None


class Candidates:
    """All session keys that may open a message; wiped when the ``with`` block ends.

    Args:
        header: the message's, with its recipient infos and perhaps its originator's certificates.
        identities: who may read it.
        policy: what is accepted.

    Attributes:
        all: the keys, and where they come from.
        iterations: how many iterations of PBKDF2 they took.

    Raises:
        NoMatchError: the message is addressed to none of the identities.
        MessageError: every recipient info that is addressed to one is broken, not supported, or
            against the policy.
        LimitError: there are more than the policy allows to try.
        CredentialError: a private key that is needed stays locked.
        TypeError: something else was given as an identity.
    """

    def __init__(self, header: EnvelopeHeader, identities: Sequence[Identity], policy: Policy) -> None:
        check_identities(identities)
        if any(map(is_locked, identities)):
            identities = unlocked_if_needed(identities, header.wrapped_keys)
        self._header = header
        self._identities = identities
        identities = [each.with_policy(policy) if is_laborious(each) else each for each in identities]
        if header.originator_info is not None:
            identities = _with_senders(identities, header.originator_info)
        self.all: list[Candidate] = []
        self.iterations = 0
        try:
            self._unwrap(header.wrapped_keys, identities, policy)
        except BaseException:
            self.wipe()
            raise

    def _unwrap(self, wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity], policy: Policy) -> None:
        problems: list[MessageError] = []
        matches = _matches(wrapped_keys, identities, policy, problems)
        self.iterations = _check_work(matches, policy)
        for identity, match in matches:
            try:
                key = identity.unwrap((match,) if match else wrapped_keys)
            except NoMatchError:
                continue
            except MessageError as error:  # another recipient info may be sound
                problems.append(error)
                continue
            self.all.append(Candidate(key, match))
        if not self.all:
            raise problems[0] if problems else _no_match(wrapped_keys, identities)

    def wipe(self) -> None:
        """Overwrite every key."""
        for candidate in self.all:
            candidate.key.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Wipe the keys, and say of what did not open for whom it is and who tried: both are no secrets."""
        self.wipe()
        if isinstance(error, DecryptionError):
            error.addressed_to = tuple(names_of(self._header.wrapped_keys))
            error.identities = tuple(map(str, self._identities))


def _matches(
    wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity], policy: Policy, problems: list[MessageError]
) -> list[tuple[Identity, WrappedKey | None]]:
    """Pair identities with what is addressed to them, judged by public fields; note what cannot be used."""
    matches: list[tuple[Identity, WrappedKey | None]] = []
    for identity in identities:
        if not is_selective(identity):
            matches.append((identity, None))
            continue
        for at in range(0, len(wrapped_keys), max(1, policy.max_trials)):
            for wrapped in _matching(identity, wrapped_keys[at : at + max(1, policy.max_trials)], problems):
                weak = legacy_algorithm(wrapped)
                if weak and not policy.insecure_legacy:
                    problem = f"the session key is wrapped with {weak}, which is weak"
                    problems.append(PolicyError(problem, option="insecure_legacy"))
                else:
                    matches.append((identity, wrapped))
            if len(matches) + len(problems) > policy.max_trials:  # before the others are looked at
                raise _too_many(matches, policy)
    if len(matches) > policy.max_trials:
        raise _too_many(matches, policy)
    return matches


def _check_work(matches: Sequence[tuple[Identity, WrappedKey | None]], policy: Policy) -> int:
    """Return how many iterations of PBKDF2 all matches take together."""
    work = sum([identity.iterations_for(match) for identity, match in matches if match and is_laborious(identity)])
    if work > policy.max_password_iterations:
        raise too_many_iterations(policy.max_password_iterations)
    return work


def _too_many(matches: Sequence[tuple[Identity, WrappedKey | None]], policy: Policy) -> LimitError:
    bare = any(_without_certificate(identity) for identity, _ in matches)
    remedy = " (fewer if you give the certificate with the private key)" if bare else ""
    return LimitError(f"the number of wrapped keys to try{remedy}", policy.max_trials, option="max_trials")


def _without_certificate(identity: Identity) -> bool:
    """Tell whether an identity is a key alone, which has to try whatever may be for it."""
    return isinstance(identity, NamedIdentity) and identity.names.certificate is None


def _with_senders(identities: Sequence[Identity], originator_info: bytes) -> list[Identity]:
    """Hand the certificates in the message to those who may need them; they are not looked at before that."""
    return [
        identity.with_originator_info(originator_info) if may_need_senders(identity) else identity
        for identity in identities
    ]


def _no_match(wrapped_keys: Sequence[WrappedKey], identities: Sequence[Identity]) -> NoMatchError:
    from smime_session.inspection.explanation import closest  # only a failure is explained: 20 ms

    given = [str(identity) for identity in identities]
    return NoMatchError(names_of(wrapped_keys), given, closest(wrapped_keys, identities))


def _matching(
    identity: SelectiveIdentity, wrapped_keys: Sequence[WrappedKey], problems: list[MessageError]
) -> list[WrappedKey]:
    """Return what is addressed to an identity; a broken recipient info hides no other, but a limit holds for all."""
    try:
        return identity.matching(wrapped_keys)
    except LimitError:  # asked one by one, each would keep it, and all together would cost minutes
        raise
    except MessageError:
        found = []
    for wrapped in wrapped_keys:
        try:
            found += identity.matching((wrapped,))
        except MessageError as error:
            problems.append(error)
    return found
