"""Where daisy 0.2 had its graph providers."""

from .graph_provider import GraphProvider, MongoDbGraphProvider, PostgresGraphProvider, SQLiteGraphProvider

__all__ = ["GraphProvider", "MongoDbGraphProvider", "PostgresGraphProvider", "SQLiteGraphProvider"]
