"""What goes out: signed webhooks, messages in chats and by email, each with a log and retries."""

from fraisier.webhooks.outgoing.desk import Outgoing
from fraisier.webhooks.outgoing.door import Door
from fraisier.webhooks.outgoing.receivers import Receiver, receivers_of
from fraisier.webhooks.outgoing.sender import Sender
from fraisier.webhooks.outgoing.sink import WebhookSink

__all__ = ["Door", "Outgoing", "Receiver", "Sender", "WebhookSink", "receivers_of"]
