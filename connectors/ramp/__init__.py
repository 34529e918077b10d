"""The Ramp connector, as a source."""

from connectors.ramp.connector import RampConnector

CONNECTOR = RampConnector()
