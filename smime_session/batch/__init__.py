"""Work on many messages at once: by several processes, resumable, each message exactly once.

Built on the library's public names alone. A source yields messages, a target takes what is made of them, the journal
beside it knows what became of each, and any :class:`concurrent.futures.Executor` does the work::

    from smime_session.batch import FolderSource, FolderTarget, Journal, journal_beside, run

    def work(item, source, target):
        target.write(encrypt(source.read(), certificates))

    with Journal(journal_beside("out")) as journal:
        journal.begin({"recipients": "bob.pem"})
        run(FolderSource("in"), FolderTarget("out"), work, journal)

A run that was killed goes on when the same is called again. Where one machine is not enough, a :class:`Cluster` makes
the executor, a :class:`TravellingWork` takes the work there, and :class:`UrlSource` and :class:`UrlTarget` are in a
store that all workers reach.
"""

from __future__ import annotations

from smime_session.batch.archives import TarSource, ZipSource, is_tar
from smime_session.batch.cluster import Cluster, Credentials
from smime_session.batch.items import Content, FileContent, Item, Refused
from smime_session.batch.journal import Entry, Journal, journal_beside
from smime_session.batch.maildir import MaildirSource, MaildirTarget, is_maildir
from smime_session.batch.mbox import MboxForm, MboxSource, MboxTarget
from smime_session.batch.packing import ARCHIVE_FORMS, ArchiveForm, ArchiveTarget
from smime_session.batch.remote import UrlSource, UrlTarget, check_url, is_url, local_path
from smime_session.batch.runner import Shard, Tally, forks, fresh_processes, processes, run
from smime_session.batch.sources import FolderSource, PathsSource, Source
from smime_session.batch.targets import Committed, FolderTarget, Target
from smime_session.batch.travelling import TravellingWork
from smime_session.batch.worker import Preparation, Work

__all__ = [
    "ARCHIVE_FORMS",
    "ArchiveForm",
    "ArchiveTarget",
    "Cluster",
    "Committed",
    "Content",
    "Credentials",
    "Entry",
    "FileContent",
    "FolderSource",
    "FolderTarget",
    "Item",
    "Journal",
    "MaildirSource",
    "MaildirTarget",
    "MboxForm",
    "MboxSource",
    "MboxTarget",
    "PathsSource",
    "Preparation",
    "Refused",
    "Shard",
    "Source",
    "Tally",
    "TarSource",
    "Target",
    "TravellingWork",
    "UrlSource",
    "UrlTarget",
    "Work",
    "ZipSource",
    "check_url",
    "forks",
    "fresh_processes",
    "is_maildir",
    "is_tar",
    "is_url",
    "journal_beside",
    "local_path",
    "processes",
    "run",
]
