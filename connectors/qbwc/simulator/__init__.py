"""A QuickBooks Desktop company file, its request processor, and a Web Connector that speaks SOAP."""
