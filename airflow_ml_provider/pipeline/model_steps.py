"""Steps that make and judge a model: SageMaker processing and training jobs, the registry."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Report, Step
from airflow_ml_provider.pipeline.values import JobField, Output, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import TypeAlias

    Range: TypeAlias = "ContinuousRange | IntegerRange | CategoricalRange"

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
    def artifact(self) -> JobField | Text:
        """The S3 URI of ``model.tar.gz``."""
        return JobField(self.name, ("ModelArtifacts", "S3ModelArtifacts"))


@dataclass(frozen=True)
class ContinuousRange:
    """Numbers between two bounds; ``scaling_type`` says on which scale they are drawn.

    ``Auto``, ``Linear``, ``Logarithmic`` or ``ReverseLogarithmic``.
    https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
    """

    min_value: Any
    max_value: Any
    scaling_type: str = "Auto"


@dataclass(frozen=True)
class IntegerRange:
    """Whole numbers from one bound to the other, both included."""

    min_value: Any
    max_value: Any
    scaling_type: str = "Auto"


@dataclass(frozen=True)
class CategoricalRange:
    """One of at most 30 values."""

    values: Sequence[Any]


@dataclass(frozen=True)
class Tuning(Training):
    """A hyperparameter tuning job: many training jobs of one script, and the best of them.

    ``ranges`` gives each hyperparameter that is searched its range; ``hyperparameters`` are the
    same for all jobs. ``objective`` is the name of one of ``metrics``, to ``Maximize`` or
    ``Minimize`` by ``objective_type``. ``strategy`` is ``Bayesian``, ``Random`` or ``Grid``, which
    tries all combinations of categorical ranges, however many ``max_jobs`` says.
    ``timeout_seconds`` bounds the whole search and each of its jobs.
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    objective: str = ""
    objective_type: str = "Maximize"
    strategy: str = "Bayesian"
    max_jobs: Any = 10
    parallel_jobs: Any = 2

    required: ClassVar[tuple[str, ...]] = (*Training.required, "ranges", "objective")

    @property
    def output_names(self) -> tuple[str, ...]:
        """One: ``model``, which holds the artifacts of all training jobs by their names."""
        return ("model",)

    @property
    def artifact(self) -> Text:
        """The S3 URI of the best training job's ``model.tar.gz``.

        AWS tells only the job's name, and SageMaker leaves a model in
        ``<S3OutputPath>/<job name>/output/model.tar.gz``.
        """
        best = JobField(self.name, ("BestTrainingJob", "TrainingJobName"))
        return Text.of(Output(self.name, "model"), best, "/output/model.tar.gz")


@dataclass(frozen=True)
class Model(Step):
    """A model of SageMaker's: an artifact, the image that serves it and the inference code.

    ``artifact`` is the S3 URI of ``model.tar.gz``, such as ``training.artifact``. ``script`` has
    ``model_fn`` and, where the defaults do not fit, ``input_fn``, ``predict_fn`` and ``output_fn``;
    the container gets it as ``SAGEMAKER_SUBMIT_DIRECTORY`` (an archive on S3, which the
    scikit-learn and XGBoost containers fetch). Other containers, such as PyTorch's, want it inside
    the artifact, as ``code/inference.py``: then leave ``script`` out.
    https://github.com/aws/sagemaker-inference-toolkit
    """

    artifact: Any = None
    image_uri: str = ""
    script: str = ""
    modules: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    role_arn: str | None = None

    required: ClassVar[tuple[str, ...]] = ("artifact", "image_uri")


@dataclass(frozen=True)
class Transform(Step):
    """A batch transform job: the predictions of a model for each object below an S3 prefix.

    ``model`` is a ``Model`` step, or the name of a model that exists. The predictions for
    ``<data>/<name>`` are left in ``<output>/<name>.out``. ``split_type`` says what a record is:
    a ``Line``, or the whole object (``None``); ``strategy`` how many of them the model gets at a
    time: ``MultiRecord`` or ``SingleRecord``; ``assemble_with`` what joins the answers.
    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
    """

    model: Model | str | None = None
    data: Any = None
    content_type: str = "text/csv"
    accept: str = "text/csv"
    split_type: str = "Line"
    strategy: str = "MultiRecord"
    assemble_with: str = "Line"
    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)

    required: ClassVar[tuple[str, ...]] = ("model", "data")

    @property
    def output_names(self) -> tuple[str, ...]:
        """One: ``output``."""
        return ("output",)


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
