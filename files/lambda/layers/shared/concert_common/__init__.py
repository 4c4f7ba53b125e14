"""What the ten functions share: settings, telemetry, the warehouse, HTTP, requests and records."""
