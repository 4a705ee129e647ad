"""Webhooks: what git servers send, and what receivers of events are sent."""
