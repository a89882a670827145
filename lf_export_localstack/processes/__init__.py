"""Server processes: started, watched, stopped and remembered, on free ports of loopback."""

from lf_export_localstack.extra import require_extra

# All that starts a server imports this package before anything of the extra.
require_extra()
