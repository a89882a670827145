"""What can go wrong with the embedded stack, as sentences for whoever has called it.

::

    LocalStackError
    ├── ForeignFolderError      the folder that was named is not a stack's
    ├── PortTakenError          in ``tcp_ports``: a configured port belongs to another program
    ├── ServiceNotReadyError    in ``readiness``: a server did not start
    ├── StackInUseError         another command has the stack
    └── StackNotStartedError    in ``local_stack``: there are no addresses yet
"""

from lf_export_pipeline.core.errors import ExportError


class LocalStackError(ExportError):
    """The embedded stack could not do what was asked; the message says what is in the way."""


class ForeignFolderError(LocalStackError):
    """The folder that was named for a stack holds what is not a stack's."""


class StackInUseError(LocalStackError):
    """Another command works with the stack of this folder."""
