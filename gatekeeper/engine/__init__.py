"""The Engine on DBOS: durable jobs, cron, and the relay that is the net under both."""
