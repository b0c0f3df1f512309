"""A Dask cluster that does the work of a run, as a maker of executors for :func:`~smime_session.batch.run`.

The rest of the batch code knows :class:`concurrent.futures.Executor` and no more. What travels is paths and what the
work needs, never messages; private keys only through TLS.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from smime_session import BatchError, SmimeError
from smime_session.batch import worker
from smime_session.batch.extras import extra
from smime_session.batch.travelling import TravellingWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

Result = TypeVar("Result")

_PATIENCE: Final = 30.0  # seconds to reach the scheduler, and for the first worker to come
_RETRIES: Final = 3  # times that Dask tries again what an error ended
_PREFIX: Final = "tls://"
_LOST: Final = frozenset({"KilledWorker", "FutureCancelledError", "FutureLostError", "LostError"})
"""What Dask raises, beside what is an OSError, when workers or the scheduler are gone."""


class Credentials(NamedTuple):
    """What proves to a cluster who takes part in it; all of its members have certificates of one authority.

    Attributes:
        authority: the file with the authority's certificate (PEM).
        certificate: the file with the certificate of this member (PEM).
        key: the file with its private key (PEM, without a passphrase).
    """

    authority: str
    certificate: str
    key: str


class Cluster:
    """A Dask cluster, as the ``executor`` of a run; it wants the extra ``cluster``.

    Workers have this package in the same version, and reach source and target by the same paths or URLs. One that is
    lost is done without; what it had is given to others.

    Args:
        address: that of the scheduler, ``tls://host:port`` or ``tcp://host:port``.
        credentials: what TLS takes; None without.
        patience: seconds to reach the scheduler, and for the first worker to come.

    Raises:
        BatchError: ``distributed`` is not installed, or the address and the credentials contradict each other.
    """

    def __init__(self, address: str, credentials: Credentials | None = None, *, patience: float = _PATIENCE) -> None:
        self._address, self._credentials, self._patience = address, credentials, patience
        self._client: Any = None
        if not address.startswith((_PREFIX, "tcp://")):
            raise BatchError(f"{address} is no address of a cluster: tls://host:8786 is one")
        if self.encrypted and credentials is None:
            raise BatchError(f"{address} wants TLS, and there is no authority, certificate and key for it")
        if credentials is not None and not self.encrypted:
            raise BatchError(f"a certificate is for TLS, and {address} is without: it begins with {_PREFIX} then")

    @property
    def encrypted(self) -> bool:
        """Whether all that travels goes through TLS."""
        return self._address.startswith(_PREFIX)

    @property
    def threads(self) -> int:
        """How many messages its workers can work on at once, now.

        Raises:
            BatchError: it cannot be reached, or has no worker.
        """
        return sum(self._threads().values())

    def _threads(self) -> dict[str, int]:
        client = self._connected()
        try:
            client.wait_for_workers(1, timeout=self._patience)
        except Exception:  # noqa: BLE001  # whatever its version says
            raise BatchError(f"the cluster {self._address} has no worker") from None
        threads: dict[str, int] = client.nthreads()
        return threads

    def check(self, prepare: object) -> None:
        """Check that what a worker is to have may go there.

        Raises:
            BatchError: there are private keys in it, and a way to a worker is without TLS.
        """
        if not isinstance(prepare, TravellingWork) or not prepare.holds_private_keys:
            return
        if not self.encrypted:
            raise BatchError(f"private keys travel only through TLS, and {self._address} is without")
        if not all(address.startswith(_PREFIX) for address in self._threads()):
            raise BatchError("private keys travel only through TLS, and a worker of the cluster is without")

    def __call__(self, jobs: int, /) -> Executor:
        """Return an executor; how many workers there are, the cluster decides.

        Raises:
            BatchError: it cannot be reached, or has no worker.
        """
        del jobs
        self._threads()
        return _Executor(self, self._connected())

    def _connected(self) -> Any:  # noqa: ANN401  # the library may be absent
        if self._client is not None and self._client.status != "running":
            self.close()
        if self._client is None:
            distributed = extra("distributed", "cluster", "a cluster")
            try:
                self._client = distributed.Client(
                    self._address,
                    security=self._security(distributed.Security),
                    timeout=self._patience,
                    name="smime-session",
                    set_as_default=False,
                )
            except (OSError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
                raise BatchError(f"the cluster {self._address} cannot be reached ({_told(error)})") from None
        return self._client

    def _security(self, kind: Callable[..., object]) -> object:
        if self._credentials is None:
            return None
        for path in self._credentials:
            with open(path, "rb"):  # noqa: PTH123  # the error names the file; Dask's would not
                pass
        authority, certificate, key = self._credentials
        return kind(tls_ca_file=authority, tls_client_cert=certificate, tls_client_key=key, require_encryption=True)

    def close(self) -> None:
        """Leave the cluster."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Executor(Executor):
    """What a cluster is for a run: the client's own executor, that keeps the rules about private keys.

    Args:
        cluster: which one.
        client: the connection to it.
    """

    def __init__(self, cluster: Cluster, client: Any) -> None:  # noqa: ANN401  # the library may be absent
        self._cluster, self._client = cluster, client
        self._executor = client.get_executor(retries=_RETRIES, pure=False)
        self._tokens: set[str] = set()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:  # noqa: ANN401  # as it is
        """Give a call to a worker.

        Raises:
            BatchError: there are private keys in it that may not travel there.
            BrokenExecutor: the scheduler is gone.
        """
        sent = [self._released(each) if isinstance(each, worker.Setup) else each for each in args]
        ours: Future[Result] = Future()
        try:
            theirs = self._executor.submit(fn, *sent, **kwargs)
        except Exception as error:
            if self._client.status == "running":
                raise
            raise BrokenExecutor(f"the scheduler took no work ({type(error).__name__})") from None
        theirs.add_done_callback(lambda done: _settle(done, ours))
        return ours

    def _released(self, setup: worker.Setup) -> worker.Setup:
        if setup.token not in self._tokens:
            self._cluster.check(setup.prepare)
            self._tokens.add(setup.token)
        if isinstance(setup.prepare, TravellingWork):
            return setup._replace(prepare=setup.prepare.released())
        return setup

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # as it is
        """End what is under way, and let workers forget the work with its keys."""
        with suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=wait and not cancel_futures)
        for token in self._tokens:
            with suppress(Exception):
                self._client.run(worker.forget, token)


def _settle(theirs: Future[Result], ours: Future[Result]) -> None:
    """Hand on what came of a call; that its workers were lost is said as other executors say it."""
    try:
        ours.set_result(theirs.result())
    except SmimeError as error:
        ours.set_exception(error)
    except (ImportError, AttributeError) as error:
        ours.set_exception(BatchError(f"a worker of the cluster lacks what the run needs ({_told(error)})"))
    except (CancelledError, Exception) as error:  # noqa: BLE001  # its kinds are those of the library
        lost = isinstance(error, CancelledError | OSError) or type(error).__name__ in _LOST
        ours.set_exception(BrokenExecutor(f"the cluster lost it ({type(error).__name__})") if lost else error)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
