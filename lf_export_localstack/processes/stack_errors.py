"""What can go wrong with the embedded stack, as sentences for whoever has called it.

::

    LocalStackError
    ├── ForeignFolderError      the folder that was named is not a stack's
    ├── PortTakenError          in ``tcp_ports``: a configured port belongs to another program
    ├── ServiceNotReadyError    in ``process``: a server did not start
    └── StackNotStartedError    in ``local_stack``: there are no addresses yet
"""

from lf_export_pipeline.core.errors import ExportError


class LocalStackError(ExportError):
    """The embedded stack could not do what was asked; the message says what is in the way."""


class ForeignFolderError(LocalStackError):
    """The folder that was named for a stack holds what is not a stack's."""
