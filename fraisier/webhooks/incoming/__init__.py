"""What comes in: deliveries of git hosts, verified before anything in them is believed."""

from fraisier.webhooks.incoming.hosts import HOSTS, Headers, Host
from fraisier.webhooks.incoming.intake import Intake

__all__ = ["HOSTS", "Headers", "Host", "Intake"]
