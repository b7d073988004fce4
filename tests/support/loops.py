"""Runs without a cluster."""


def in_process(monkeypatch):
    """Blocks are done in this process: the ledger is the same, without the seconds a cluster takes to start."""
    from lenscal.engine import InProcess

    monkeypatch.setattr("lenscal.audit.executor_of", lambda settings: InProcess())
