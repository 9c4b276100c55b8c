"""Steps that make and judge a model: SageMaker processing and training jobs, the registry."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Report, Step
from airflow_ml_provider.pipeline.values import JobField

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEMS = ("binary_classification", "multiclass_classification", "regression")
"""What a model-quality report can be about; the first part of its section's name."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """The instances of a SageMaker job and who it runs as."""

    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_size_gb: int = 30
    role_arn: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Processing(Machines, Step):
    """A script in a SageMaker processing job.

    It finds each input under ``/opt/ml/processing/input/<name>`` and leaves each output under
    ``/opt/ml/processing/output/<name>``; ``arguments`` reach it as ``--<name> <value>``.
    ``modules`` are further files that lie beside the script.
    """

    script: str = ""
    image_uri: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("output",)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    report: Report | None = None

    required: ClassVar[tuple[str, ...]] = ("script", "image_uri")

    @property
    def output_names(self) -> tuple[str, ...]:
        """As given by ``outputs``."""
        return tuple(self.outputs)

    @property
    def metrics_report(self) -> Report | None:
        """As given by ``report``."""
        return self.report


@dataclass(frozen=True)
class Training(Machines, Step):
    """A script in a SageMaker training job, run by a framework container in script mode.

    ``inputs`` are its channels. ``metrics`` maps a name to the regular expression that finds it in
    the log (``MetricDefinitions``). The model that it leaves in ``SM_MODEL_DIR`` is ``artifact``.
    """

    script: str = ""
    image_uri: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)

    required: ClassVar[tuple[str, ...]] = ("script", "image_uri", "inputs")

    @property
    def artifact(self) -> JobField:
        """The S3 URI of ``model.tar.gz``."""
        return JobField(self.name, ("ModelArtifacts", "S3ModelArtifacts"))


@dataclass(frozen=True)
class Evaluation(Machines, Step):
    """A script in a processing job that judges a model and leaves a report.

    It finds ``model.tar.gz`` under ``/opt/ml/processing/input/model``, the data under
    ``/opt/ml/processing/input/data`` and writes ``evaluation.json`` under
    ``/opt/ml/processing/output/report``, in SageMaker's model-quality form for ``problem``, one of
    ``PROBLEMS``.
    """

    script: str = ""
    image_uri: str = ""
    model: Any = None
    data: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    problem: str = "binary_classification"

    required: ClassVar[tuple[str, ...]] = ("script", "image_uri", "model", "data")

    @property
    def output_names(self) -> tuple[str, ...]:
        """One: ``report``."""
        return ("report",)

    @property
    def metrics_report(self) -> Report:
        """``evaluation.json`` in the output ``report``."""
        return Report("report", "evaluation.json", section=f"{self.problem}_metrics")


@dataclass(frozen=True)
class RegisterModel(Step):
    """A version of the model in the group of SageMaker's model registry.

    The group is created where it is missing. ``metrics`` is the step whose report the registry
    shows as model quality.
    """

    model: Training
    group: str
    metrics: Step | None = None
    image_uri: str | None = None
    approval_status: str = "PendingManualApproval"
    content_types: tuple[str, ...] = ("text/csv",)
    response_types: tuple[str, ...] = ("text/csv",)
    description: Any = None

    required: ClassVar[tuple[str, ...]] = ("model", "group")
