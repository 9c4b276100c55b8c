"""What Airflow's provider manager is told about this package.

It is read at every start of Airflow, so nothing of the package is imported here; a test holds the
lists against the modules there are.
https://airflow.apache.org/docs/apache-airflow-providers/howto/create-custom-providers.html
"""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Airflow ML"
_PACKAGE = "airflow_ml_provider"
_OPERATORS = (
    "aws_call",
    "choice",
    "evaluation",
    "fail",
    "fallback",
    "join",
    "lambda_call",
    "map_items",
    "processing",
    "register_model",
    "remote_job",
    "sagemaker_pipeline",
    "spark",
    "sql_extract",
    "state_machine",
    "training",
    "transform",
    "tuning",
)
_SENSORS = ("dataset", "metric", "model_approval")


def get_provider_info() -> dict[str, Any]:
    """Describe the provider in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-ml-provider",
        "name": _INTEGRATION,
        "description": "Machine-learning pipelines on AWS: one typed definition, jobs that start "
        "exactly once.",
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["aws"]}],
        "operators": [_modules("operators", *_OPERATORS)],
        "sensors": [_modules("sensors", *_SENSORS)],
        "hooks": [],
        "triggers": [_modules("triggers", "remote_job")],
        "connection-types": [],
        "extra-links": [
            f"{_PACKAGE}.links.console.JobLink",
            f"{_PACKAGE}.links.console.LogLink",
        ],
        "config": {
            _PACKAGE: {
                "description": "What requests to AWS take where a step says nothing itself.",
                "options": {
                    "role_arn": _option(
                        "The role that jobs run as.", "arn:aws:iam::123456789012:role/ml-jobs"
                    ),
                    "root": _option(
                        "The S3 prefix of all pipelines' data and code.", "s3://my-bucket/ml"
                    ),
                    "kms_key_id": _option(
                        "The KMS key that encrypts staged code, extracts and the jobs' output.",
                        "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab",
                    ),
                    "worker_image_uri": _option(
                        "The image of the processing jobs that do what an orchestrator can't: "
                        "Python >= 3.10 with boto3 and pyarrow.",
                        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ml-worker:1",
                    ),
                    "subnets": _option(
                        "The subnets of SageMaker jobs, separated by commas.",
                        "subnet-0a1b2c3d,subnet-4e5f6a7b",
                    ),
                    "security_group_ids": _option(
                        "The security groups of SageMaker jobs, separated by commas.",
                        "sg-0a1b2c3d",
                    ),
                    "tags": _option(
                        "The tags of everything that is created, as a JSON object.",
                        '{"team": "ml", "cost-centre": "4711"}',
                    ),
                },
            }
        },
    }


def _modules(folder: str, *names: str) -> dict[str, Any]:
    modules = [f"{_PACKAGE}.{folder}.{name}" for name in names]
    return {"integration-name": _INTEGRATION, "python-modules": modules}


def _option(description: str, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": "",
    }
