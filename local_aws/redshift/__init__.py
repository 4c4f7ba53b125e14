"""The embedded Redshift Serverless: control plane, Data API and the warehouse behind them, a real PostgreSQL."""
