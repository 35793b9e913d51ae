from mnist_exp import build
from mnist_exp.azure_form.endpoints import deployment_form
from mnist_exp.config import ProbeConfig
from tests.support.configs import fresh_config
from tests.support.deployment_fields import each_field_changed, with_new_fields

#: A conda environment has no name. `delete_on_cleanup` is about the environments of this machine.
NOT_SENT = {"environment.name", "environment.delete_on_cleanup"}


def test_the_form_of_a_deployment_contains_every_field() -> None:
    spec = build.deployment_spec(fresh_config("stage=deploy", "profile=azure"), "endpoint-1", "m:1")
    before = deployment_form(spec)
    for name, changed in each_field_changed(spec):
        is_sent = name not in NOT_SENT
        assert (deployment_form(changed) != before) == is_sent, name


def test_a_new_field_is_in_the_form_of_a_deployment() -> None:
    spec = build.deployment_spec(fresh_config("stage=deploy", "profile=azure"), "endpoint-1", "m:1")
    form = deployment_form(with_new_fields(spec))
    assert form["new_field"] == "text"
    assert form["liveness_probe"] == {**vars(ProbeConfig()), "new_field": 3}
