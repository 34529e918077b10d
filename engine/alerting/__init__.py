"""Tells people what they must know: rules find it, notices keep it, channels carry it by mail, Slack, Teams, a webhook."""
