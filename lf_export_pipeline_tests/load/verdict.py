"""Whether anything was lost under load."""

import re
from collections import Counter
from collections.abc import Mapping

from lf_export_pipeline_tests.faults.outcome import downloaded, mail_at
from lf_export_pipeline_tests.load.deployment import ADDRESS, ExportSpec, LoadDeployment

EXPORT_ID = re.compile(r"lf-export-[0-9a-f]+")


def problems(deployment: LoadDeployment, asked: Mapping[str, ExportSpec]) -> list[str]:
    """What is wrong with these exports, and what lies about that belongs to none of them."""
    inbox = deployment.stack.addresses().inbox
    sent = [mail_at(path) for path in inbox.glob("*.eml")]
    mails = Counter(id_ for mail in sent for id_ in set(EXPORT_ID.findall(mail.text)))
    strangers = {mail.recipient for mail in sent} - {ADDRESS}
    found = [
        f"{export_id}: {problem}"
        for export_id, spec in asked.items()
        for problem in _problems_of(deployment, export_id, spec, mails)
    ]
    spooled = [path for path in deployment.settings.spool_directory.rglob("*") if path.is_file()]
    found += [f"{stranger} got an e-mail" for stranger in strangers]
    return [*found, *([f"{len(spooled)} files are left in the spool"] if spooled else [])]


def _problems_of(
    deployment: LoadDeployment, export_id: str, spec: ExportSpec, mails: Counter[str]
) -> list[str]:
    row = deployment.database.exports.get(export_id)
    if row is None or row.status != "COMPLETED" or row.url is None:
        return [f"is {row.status}: {row.log}" if row else "has no row"]
    found = []
    if downloaded(row.url).sha256 != deployment.expected[spec]:
        found.append("the link gives another file than without load")
    if mails[export_id] != 1:
        found.append(f"{mails[export_id]} e-mails")
    return found
