"""The endpoint group: endpoint, deployment, rollout, and the request of stage=invoke."""

from dataclasses import dataclass, field

from mnist_exp.config.enums import MISSING, AuthMode, KeyName
from mnist_exp.config.resources import EnvConfig


@dataclass
class RequestSettingsConfig:
    """Azure ML's request settings of a deployment."""

    # Milliseconds after which an unanswered request gets the status 408; the maximum is 180000.
    request_timeout_ms: int = 5000
    # Maximum number of concurrent requests in each instance.
    max_concurrent_requests_per_instance: int = 1


@dataclass
class ProbeConfig:
    """Azure ML's probe of a container."""

    # Seconds before the first probe. On this machine, a deployment that is ready gets requests even
    # if this time is not over.
    initial_delay: int = 10
    # Seconds between two probes.
    period: int = 10
    # Seconds within which a probe must succeed.
    timeout: int = 2
    # Number of consecutive successful probes after which the container counts as healthy.
    success_threshold: int = 1
    # Number of consecutive failed probes after which the container counts as failed.
    failure_threshold: int = 30


@dataclass
class DeploymentConfig:
    """One deployment behind an endpoint."""

    # 3 to 32 letters, digits and hyphens.
    name: str = MISSING
    # Folder with the scoring script, relative to the YAML file that sets this key.
    code: str | None = None
    # Python file in `code` with init() and run(); null for a model of type mlflow_model.
    scoring_script: str | None = None
    environment: EnvConfig = field(default_factory=EnvConfig)
    # Name -> text: environment variables of the scoring script.
    environment_variables: dict[str, str] = field(default_factory=dict)
    # VM size on Azure.
    instance_type: str = MISSING
    # Number of instances, 1 to 50.
    instance_count: int = 1
    request_settings: RequestSettingsConfig = field(default_factory=RequestSettingsConfig)
    # If the liveness probe of a worker fails, the worker is replaced.
    liveness_probe: ProbeConfig = field(default_factory=ProbeConfig)
    # init() may take initial_delay + period * failure_threshold seconds.
    readiness_probe: ProbeConfig = field(default_factory=ProbeConfig)


@dataclass
class RolloutConfig:
    """How a new deployment takes over the traffic of the old deployment."""

    # Percentage of the traffic that the new deployment gets at each step. The last percentage is
    # 100. An empty list means no rollout.
    steps: list[int] = field(default_factory=list)
    # Percent of the traffic that is copied to the new deployment before the first step. The
    # maximum is 50.
    mirror: int = 0
    # Number of sample requests to the old and to the new deployment at each step.
    samples: int = 20
    # Minimum duration of each step in seconds.
    seconds: float = 1.0
    # The rollout is undone if the new deployment's share of failed requests (0 to 1) is higher than
    # the old deployment's share by more than this value.
    failure_margin: float = 0.01
    # The rollout is undone if the new deployment's 95th percentile of the response times is higher
    # than the old deployment's percentile by more than this number of milliseconds.
    latency_margin_ms: float = 50.0


@dataclass
class EndpointConfig:
    """A managed online endpoint."""

    # null generates a name for a new endpoint: `name_prefix` and 8 hex digits.
    name: str | None = None
    # Up to 24 letters, digits and hyphens; the first character is a letter.
    name_prefix: str = MISSING
    # Text shown with the endpoint.
    description: str = ""
    # key: callers send one of two keys. aml_token: callers send a token that expires.
    auth_mode: AuthMode = AuthMode.key
    # Lifetime of a token in seconds. Only a local endpoint with aml_token uses this value.
    token_lifetime: int = 3600
    # primary or secondary: stage=deploy replaces this key of the endpoint, and does nothing else.
    regenerate_key: KeyName | None = None
    # Seconds after which a local endpoint deletes itself; null means never.
    ttl: int | None = None
    deployment: DeploymentConfig = field(default_factory=DeploymentConfig)
    # true deploys to the latest endpoint, false to a new endpoint.
    reuse: bool = False
    # Deployment name -> percent; the sum is 0 or 100. With an empty mapping, the first
    # deployment of an endpoint gets all traffic, and later deployments do not change the traffic.
    traffic: dict[str, int] = field(default_factory=dict)
    # Deployment name -> percent of the requests that are copied to the deployment. Only one
    # deployment may get copies. The maximum is 50 percent.
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    # Deployment that stage=invoke calls; null lets the endpoint choose a deployment by the traffic
    # percentages.
    invoke_deployment: str | None = None
    # File or pipe with the JSON that stage=invoke sends; null sends sample digits.
    request_file: str | None = None
    # Number of sample digits that stage=invoke sends.
    samples: int = 30
    # Port of a new local endpoint on 127.0.0.1; null chooses a free port.
    port: int | None = None
    # Number of lines of each log that stage=logs prints.
    log_lines: int = 50


@dataclass
class PageConfig:
    """The page on which the user draws digits, in `stage=page`."""

    # Port of the page on 127.0.0.1; null chooses a free port.
    port: int | None = None
    # Minutes after which stage=page ends if nobody uses the page.
    idle_minutes: float = 30
