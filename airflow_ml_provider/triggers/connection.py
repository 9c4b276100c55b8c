"""AWS by way of Airflow's connections."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow_ml_provider.pipeline.frozen import dataclass


@dataclass(frozen=True)
class AwsConnection:
    """An Airflow connection to AWS and a region, which wins over the connection's own."""

    aws_conn_id: str | None = "aws_default"
    region_name: str | None = None

    def client(
        self, service: str, *, repeats: bool = True, read_timeout_seconds: float | None = None
    ) -> Any:
        """Make a boto3 client; its retries and timeouts are ours unless the connection has some.

        Without ``repeats`` each call is made once, whatever the connection says: for callers that
        wait trouble out themselves, and for submits that AWS would take for a second job.
        ``read_timeout_seconds`` is for calls that answer late. Reads the
        connection, so it blocks: on an event loop call it in a thread.
        """
        from airflow_ml_provider.aws.clients import config, once, patient  # noqa: PLC0415 - imports botocore

        hook = _hook_class()(
            aws_conn_id=self.aws_conn_id, region_name=self.region_name, client_type=service
        )
        chosen = config().merge(hook.config)
        if not repeats:
            chosen = chosen.merge(once())
        if read_timeout_seconds is not None:
            chosen = chosen.merge(patient(read_timeout_seconds))
        return hook.get_client_type(config=chosen)


@cache
def _hook_class() -> Any:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook  # noqa: PLC0415 - heavy

    from airflow_ml_provider.aws.loader import shared_loader  # noqa: PLC0415 - imports botocore

    class Hook(AwsGenericHook):  # type: ignore[type-arg]
        """Airflow's hook, whose sessions share what botocore knows of the services."""

        def get_session(self, *args: Any, **options: Any) -> Any:
            session = super().get_session(*args, **options)
            core = session._session  # noqa: SLF001 - boto3 has no other way to it
            loader = shared_loader(core.get_config_variable("data_path"))
            core.register_component("data_loader", loader)
            return session

    return Hook
