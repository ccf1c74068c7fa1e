"""The dashboard: pages rendered on the server, over the use cases."""
