"""All checks of what shall go to an environment of MWAA, and of the environment itself.

Nothing here changes anything on AWS.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_ml_provider.mwaa.doctor_bucket import bucket_findings, file_findings
from airflow_ml_provider.mwaa.doctor_dags import (
    DagImportError,
    dag_findings,
    import_dags,
    variables,
)
from airflow_ml_provider.mwaa.doctor_install import install_findings, unpack
from airflow_ml_provider.mwaa.doctor_options import (
    exports,
    forced_finding,
    option_findings,
    startup_findings,
)
from airflow_ml_provider.mwaa.doctor_role import MWAA, execution_findings, job_findings, own_policy
from airflow_ml_provider.mwaa.environment import RUNNING
from airflow_ml_provider.mwaa.finding import (
    BUCKET,
    CHECKS,
    DAGS,
    ENVIRONMENT,
    ERROR,
    FILES,
    GOOD,
    INSTALLED,
    NOTE,
    OPTIONS,
    REQUIREMENTS,
    ROLE,
    SKIPPED,
    STARTUP,
    WARNING,
    Finding,
)
from airflow_ml_provider.mwaa.image_python import ImagePythonError, image_python
from airflow_ml_provider.mwaa.install_log import install_log_findings
from airflow_ml_provider.mwaa.requirements import RequirementsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_ml_provider.mwaa.environment import Environment
    from airflow_ml_provider.mwaa.resolution import Resolution
    from airflow_ml_provider.mwaa.versions import MwaaVersion


@dataclass(frozen=True)
class Subject:
    """What is looked at; what is ``None`` or empty is not.

    :param files: of this machine, by the name that ``environment.FILES`` has for them.
    :param python: one that has the version's Airflow; without it an environment is made.
    :param policies: by pipeline, as ``targets.iam.policies`` gives them for Airflow.
    """

    version: MwaaVersion
    environment: Environment | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    dags: Path | None = None
    python: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    role_arn: str = ""
    bucket: str = ""
    region: str = ""
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def examine(
    subject: Subject, client: Callable[[str], Any], checks: tuple[str, ...] = CHECKS
) -> list[Finding]:
    """Make the checks, and give all that they found.

    :param client: gives the boto3 client of a service.
    :param checks: some of ``CHECKS``.
    """
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="mwaa-") as made:
        if REQUIREMENTS in checks or DAGS in checks:
            found += [one for one in _installed(subject, Path(made), checks) if one.check in checks]
    if OPTIONS in checks:
        found += [
            forced_finding(subject.version),
            *option_findings(subject.version, subject.options),
        ]
    if STARTUP in checks:
        found += _started(subject)
    for name, check in _AWS_CHECKS.items():
        if name in checks:
            found += _asked(name, check(subject, client))
    # Several pipelines say the same of a role that they share.
    return sorted(dict.fromkeys(found), key=lambda one: CHECKS.index(one.check))


def _installed(subject: Subject, folder: Path, checks: tuple[str, ...]) -> Iterator[Finding]:
    """Resolve the requirements, and import the DAGs with what they install."""
    requirements, zipped = (subject.files.get(name) for name in ("requirements.txt", "plugins.zip"))
    plugins = resolution = None
    if zipped:
        try:
            plugins = unpack(zipped, folder / "plugins")
        except RequirementsError as error:
            # Whatever is asked for can't be told without it.
            mend = "run airflow-ml mwaa package again"
            yield from (Finding(one, ERROR, str(error), mend) for one in (REQUIREMENTS, DAGS))
            return
    if requirements is None:
        said = "whether requirements.txt installs"
        yield Finding(REQUIREMENTS, SKIPPED, said, "give --requirements or --package")
    elif REQUIREMENTS in checks or not subject.python:
        found, resolution = install_findings(requirements, subject.version, plugins, subject.dags)
        yield from found
    if DAGS not in checks:
        return
    if subject.dags is None:
        yield Finding(DAGS, SKIPPED, "which DAGs break", "give --dags or --package")
    elif requirements and not resolution and not subject.python:
        said = "which DAGs break: requirements.txt does not install"
        yield Finding(DAGS, SKIPPED, said, "mend requirements.txt, or give --python")
    else:
        yield from _imported(subject, subject.dags, folder / "python", resolution, plugins)


def _imported(
    subject: Subject,
    dags: Path,
    folder: Path,
    resolution: Resolution | None,
    plugins: Path | None,
) -> Iterator[Finding]:
    try:
        python = subject.python or image_python(subject.version, folder, resolution, plugins)
        imported = import_dags(python, dags, _settings(subject), plugins)
    except (ImagePythonError, RequirementsError) as error:
        yield Finding(DAGS, ERROR, str(error), "give --python an environment that you have")
    except DagImportError as error:
        yield Finding(DAGS, ERROR, str(error))
    else:
        yield from dag_findings(subject.version, dags, imported)


def _settings(subject: Subject) -> dict[str, str]:
    script = subject.files.get("startup.sh")
    exported = exports(script.read_text(encoding="utf-8", errors="replace")) if script else {}
    return {
        # What the script would compute, such as "$PATH:/more", is not known here.
        **{name: value for name, value in exported.items() if not {"$", "`"} & {*value}},
        **variables(subject.version, subject.options),
        **({"AWS_DEFAULT_REGION": subject.region} if subject.region else {}),
    }


def _started(subject: Subject) -> list[Finding]:
    script = subject.files.get("startup.sh")
    if script is None:
        return [
            Finding(STARTUP, SKIPPED, "none was given", "give --startup-script, if you use one")
        ]
    return [*startup_findings(subject.version, subject.options, script)]


def _asked(check: str, findings: Iterator[Finding]) -> list[Finding]:
    found: list[Finding] = []
    try:
        for one in findings:
            found.append(one)  # noqa: PERF402 - those before an error are kept
    except ClientError as error:
        mend = "allow your own credentials this call"
        found.append(Finding(check, ERROR, f"AWS did not answer: {error}", mend))
    except BotoCoreError as error:
        mend = "see to your credentials, the region, the network, and the names that were given"
        found.append(Finding(check, ERROR, f"AWS did not answer: {error}", mend))
    return found


def _environment(subject: Subject, _: Callable[[str], Any]) -> Iterator[Finding]:
    one = subject.environment
    if one is None:
        yield Finding(ENVIRONMENT, SKIPPED, "no environment was named", "give --environment")
        return
    failed = one.update is not None and one.update.status == "FAILED"
    said = f"{one.name!r} is {one.status}"
    if one.update and failed:
        said = f"{said}; its last update failed: {one.update.reason or 'AWS gave no reason'}"
    if one.status not in RUNNING:
        mend = "wait, or see its events in the console of MWAA"
        yield Finding(ENVIRONMENT, ERROR, said, mend)
    elif failed:
        yield Finding(ENVIRONMENT, WARNING, said, "mend what it names, and deploy again")
    else:
        yield Finding(ENVIRONMENT, GOOD, said)
    if one.airflow != subject.version.airflow:
        said = f"{one.name!r} has Airflow {one.airflow}, not {subject.version.airflow}"
        mend = f"package for --version {one.airflow}, or upgrade the environment first"
        yield Finding(ENVIRONMENT, ERROR, said, mend)


def _role(subject: Subject, client: Callable[[str], Any]) -> Iterator[Finding]:
    if not subject.role_arn:
        said = "what the execution role allows"
        yield Finding(ROLE, SKIPPED, said, "give --environment or --role-arn")
        return
    needs = {
        f"pipeline {name!r}": one["execution"]["policy"] for name, one in subject.policies.items()
    }
    if subject.environment:
        needs[MWAA] = own_policy(subject.environment)
        if not subject.environment.kms_key:
            # That key lies in an account of AWS's own, which it does not publish.
            said = f"{subject.role_arn}: whether it may use the key of MWAA's queue is not known"
            mend = "compare it with the policy for an AWS owned key in MWAA's guide"
            yield Finding(ROLE, NOTE, said, mend)
    yield from execution_findings(client("iam"), subject.role_arn, needs)
    for name, one in subject.policies.items():
        yield from job_findings(client("iam"), one["jobs"], f"jobs of pipeline {name!r}")


def _bucket(subject: Subject, client: Callable[[str], Any]) -> Iterator[Finding]:
    if not subject.bucket:
        said = "whether the bucket is versioned and private"
        yield Finding(BUCKET, SKIPPED, said, "give --environment or --bucket")
        return
    s3 = client("s3")
    yield from bucket_findings(s3, subject.bucket, subject.region or s3.meta.region_name)


def _files(subject: Subject, client: Callable[[str], Any]) -> Iterator[Finding]:
    if subject.environment is None:
        said = "whether the environment uses the newest files"
        yield Finding(FILES, SKIPPED, said, "give --environment")
        return
    yield from file_findings(client("s3"), subject.environment, subject.files)


def _log(subject: Subject, client: Callable[[str], Any]) -> Iterator[Finding]:
    one = subject.environment
    if one is None:
        said = "whether the environment installed its requirements"
        yield Finding(INSTALLED, SKIPPED, said, "give --environment")
        return
    yield from install_log_findings(client("logs"), one)


_AWS_CHECKS: dict[str, Callable[[Subject, Callable[[str], Any]], Iterator[Finding]]] = {
    ENVIRONMENT: _environment,
    ROLE: _role,
    BUCKET: _bucket,
    FILES: _files,
    INSTALLED: _log,
}
