"""The catalogue of curated environments."""

import pytest

from mnist_exp.software import RecipeError, curated_names, curated_recipe


@pytest.mark.parametrize(
    "reference",
    [
        "AzureML-sklearn-1.5@latest",
        "AzureML-sklearn-1.5:12",
        "azureml:AzureML-sklearn-1.5@latest",
        "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        "azureml://registries/azureml/environments/sklearn-1.5/versions/3",
        "azureml-SKLEARN-1.5",
    ],
)
def test_every_way_to_write_a_name_is_known(reference: str) -> None:
    recipe = curated_recipe(reference)
    assert recipe.source == "AzureML-sklearn-1.5"
    assert "scikit-learn~=1.5.0" in recipe.requirements


@pytest.mark.parametrize("reference", ["AzureML-sklearn-9", "", "/", "sklearn-1.5@a@b"])
def test_an_unknown_name_lists_the_known_names(reference: str) -> None:
    with pytest.raises(RecipeError) as caught:
        curated_recipe(reference)
    assert "AzureML-tensorflow-2.16-cuda12" in str(caught.value)
    assert repr(reference) in str(caught.value)


def test_every_environment_names_python_and_mlflow() -> None:
    for name in curated_names():
        recipe = curated_recipe(name)
        assert recipe.python_request == "3.10"
        assert any(line.startswith("mlflow") for line in recipe.requirements)
