"""Sends again what the pipeline has set aside: quarantined records, and what its two failure queues tell of."""
