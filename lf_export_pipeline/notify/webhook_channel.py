"""Messages to a webhook as Slack, Mattermost, Rocket.Chat and others take them."""

from lf_export_pipeline.lifecycle.notices import WEBHOOK_TAG
from lf_export_pipeline.notify.channels import Notification, Occasion, exports_link
from lf_export_pipeline.settings import Settings

_SAID = {
    Occasion.READY: 'Export "{}" is ready.',
    Occasion.FAILED: 'Export "{}" failed.',
    Occasion.PAUSED: 'Standing export "{}" is paused.',
}
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class WebhookChannel:
    """A ``Channel`` that posts ``{"text": …}``; the download link is never in it."""

    name = "webhook"
    tag = WEBHOOK_TAG

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def wants(self, occasion: Occasion) -> bool:  # noqa: ARG002 - both, to whom it is set up
        """If LF_EXPORT_WEBHOOK_URL is set."""
        return self._settings.lf_export_webhook_url is not None

    def send(self, notification: Notification) -> None:
        """Post it."""
        from lf_export_pipeline.adapters.webhook import post_json  # noqa: PLC0415 - only if set up

        url = self._settings.lf_export_webhook_url
        assert url is not None  # noqa: S101 - see ``wants``
        text = webhook_text(notification, self._settings.nextauth_url)
        post_json(url.get_secret_value(), {"text": text}, setting="LF_EXPORT_WEBHOOK_URL")


def webhook_text(notification: Notification, web_app: str | None) -> str:
    """The message, in Slack's markup; what users have written cannot bring markup or mentions."""
    lines = [_SAID[notification.occasion].format(_plain(notification.name))]
    if notification.row.log:
        lines.append(_plain(notification.row.log))
    lines += [f"{label}: {_plain(text)}" for label, text in notification.facts]
    if page := exports_link(web_app, notification.row.project_id):
        lines.append(page)
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Slack: these three characters begin links, mentions and entities."""
    return "".join(_MARKUP.get(character, character) for character in text)
