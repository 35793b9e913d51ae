"""What serves the model: the endpoint, its deployment, how traffic moves, what `invoke` sends.

They stand apart from the jobs because an endpoint outlives them and is changed by itself.
"""

from dataclasses import dataclass, field

from mnist_exp.config.enums import MISSING, AuthMode, KeyName
from mnist_exp.config.resources import EnvConfig


@dataclass
class RequestSettingsConfig:
    """Azure ML's request settings of a deployment."""

    # Milliseconds until an unanswered request gets 408; at most 180000.
    request_timeout_ms: int = 5000
    # Requests at once, of each instance.
    max_concurrent_requests_per_instance: int = 1


@dataclass
class ProbeConfig:
    """Azure ML's probe of a container."""

    # Seconds before the first look; a local deployment that is ready earlier is not held up.
    initial_delay: int = 10
    # Seconds between two looks.
    period: int = 10
    # Seconds that a sign of life may take.
    timeout: int = 2
    # Signs in a row until it counts as well.
    success_threshold: int = 1
    # Missing signs in a row until it is given up.
    failure_threshold: int = 30


@dataclass
class DeploymentConfig:
    """One deployment behind an endpoint."""

    # 3 to 32 letters, digits and hyphens.
    name: str = MISSING
    # Folder with the scoring script, relative to the YAML that names it.
    code: str | None = None
    # Python file in `code` with init() and run(); null for a model of type mlflow_model.
    scoring_script: str | None = None
    environment: EnvConfig = field(default_factory=EnvConfig)
    # Name -> text, for the scoring script.
    environment_variables: dict[str, str] = field(default_factory=dict)
    # VM size on Azure.
    instance_type: str = MISSING
    # Instances, 1-50.
    instance_count: int = 1
    request_settings: RequestSettingsConfig = field(default_factory=RequestSettingsConfig)
    # Replaces a worker that gives no sign of life any more.
    liveness_probe: ProbeConfig = field(default_factory=ProbeConfig)
    # How long init() may take: initial_delay + period * failure_threshold.
    readiness_probe: ProbeConfig = field(default_factory=ProbeConfig)


@dataclass
class RolloutConfig:
    """How a new deployment takes over the traffic of the one before it."""

    # Percents of the traffic, one after the other, the last 100; empty: no rollout.
    steps: list[int] = field(default_factory=list)
    # Percent of the traffic that is copied to it before it gets any; at most 50.
    mirror: int = 0
    # Requests that are sent to old and new at each step, besides what others send.
    samples: int = 20
    # Seconds that each step is watched at least.
    seconds: float = 1.0
    # It is rolled back when its share of failed requests is higher by more than this.
    failure_margin: float = 0.01
    # It is rolled back when its p95 is slower by more milliseconds than this.
    latency_margin_ms: float = 50.0


@dataclass
class EndpointConfig:
    """A managed online endpoint."""

    # None: generated when it is created (`name_prefix` and 8 hex digits) and remembered.
    name: str | None = None
    # Up to 24 letters, digits and hyphens; begins with a letter.
    name_prefix: str = MISSING
    # Text shown with the endpoint.
    description: str = ""
    # key: callers send one of two keys. aml_token: a token that expires.
    auth_mode: AuthMode = AuthMode.key
    # Seconds that a token is good for (aml_token on this machine).
    token_lifetime: int = 3600
    # primary or secondary: deploy makes that key anew and does nothing else.
    regenerate_key: KeyName | None = None
    # Seconds after which the endpoint deletes itself, on this machine; None: never.
    ttl: int | None = None
    deployment: DeploymentConfig = field(default_factory=DeploymentConfig)
    # Deploy to the endpoint that was deployed last instead of making a new one.
    reuse: bool = False
    # Deployment name -> percent, a sum of 0 or 100; empty: as it is, all to the first deployment.
    traffic: dict[str, int] = field(default_factory=dict)
    # Deployment name -> percent of the requests that it gets a copy of: one name, at most 50.
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    # Deployment that `invoke` asks, past the traffic; None leaves that to the traffic.
    invoke_deployment: str | None = None
    # A request body of one's own instead of sample digits.
    request_file: str | None = None
    # Sample digits that `invoke` sends.
    samples: int = 30
    # Port on 127.0.0.1 of a new local endpoint; None takes a free one.
    port: int | None = None
    # Lines of each deployment's log that stage=logs shows.
    log_lines: int = 50
