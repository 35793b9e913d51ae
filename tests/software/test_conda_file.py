"""Conda files, and the same packages on PyPI."""

from pathlib import Path

import pytest
import yaml

from mnist_exp.software.conda_file import Recipe, RecipeError, parse_recipe, read_conda_file
from tests.support.paths import REPOSITORY


def recipe(*dependencies: object) -> Recipe:
    return parse_recipe({"dependencies": list(dependencies)}, "conda.yaml", Path("/folder"))


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy 1.26", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4.*"),
        ("numpy==1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy>=1.26,<2", "numpy>=1.26,<2"),
        ("numpy >=1.26, <2", "numpy>=1.26,<2"),
        ("numpy~=1.26", "numpy~=1.26"),
        ("conda-forge::numpy=1.26", "numpy==1.26.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("Ruamel.yaml=0.18", "ruamel.yaml==0.18.*"),
        ("pytorch=2.2", "torch==2.2.*"),
        ("pytorch::pytorch=2.2.*=*cpu*", "torch==2.2.*"),
        ("nvidia/label/cuda-12.1.0::numpy", "numpy"),
        ("numpy=*", "numpy"),
        ("tensorflow=*=cpu*", "tensorflow"),
        ("tensorflow * cpu*", "tensorflow"),
        ("tensorflow-gpu=2.16", "tensorflow==2.16.*"),
        ("numpy[version='>=1.26,<2', build=py311*]", "numpy>=1.26,<2"),
        ("numpy[version=1.26.4]", "numpy==1.26.4"),
        ('pytorch[build="*cpu*"]', "torch"),
    ],
)
def test_a_conda_package_becomes_a_requirement(package: str, requirement: str) -> None:
    assert recipe(package).requirements == [requirement]


@pytest.mark.parametrize(
    ("package", "request_"),
    [
        ("python", ""),
        ("python=3.11", "3.11"),
        ("python=3.11.*", "3.11"),
        ("python==3.11.7", "3.11.7"),
        ("python=3.11.7=h955ad1f_0_cpython", "3.11.7"),
        ("python>=3.9,<3.12", ">=3.9,<3.12"),
    ],
)
def test_the_version_of_python_is_kept_apart(package: str, request_: str) -> None:
    assert recipe("six", package).python_request == request_
    assert recipe("six", package).requirements == ["six"]


def test_the_pip_part_keeps_its_lines_with_absolute_paths() -> None:
    lines = ["six<2  # a comment", "-r more.txt", "./own", "-e ../own", "wheels/a-1-py3.whl"]
    others = [
        "--requirement=more.txt",
        "-cmore.txt",
        "-f ./whl",
        "--find-links=w x",
        "-e .[dev]",
    ]
    addresses = ["--extra-index-url https://example.org/simple", "a @ https://example.org/a.whl"]
    assert recipe("python", {"pip": [*lines, *others, *addresses]}).requirements == [
        "six<2  # a comment",
        "-r /folder/more.txt",
        "/folder/own",
        "-e /own",
        "/folder/wheels/a-1-py3.whl",
        "--requirement /folder/more.txt",
        "-c /folder/more.txt",
        "-f /folder/whl",
        "--find-links /folder/w x",
        "-e /folder[dev]",
        *addresses,
    ]


def test_the_files_of_the_pip_part_are_found(tmp_path: Path) -> None:
    for name in ("one.txt", "with space.txt", "a-1.whl"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    nested = "six\n-r sub/two.txt  # more\n#-r a-1.whl\n"
    (tmp_path / "one.txt").write_text(nested, encoding="utf-8")
    (tmp_path / "sub" / "two.txt").write_text("-r ../one.txt\n-c three.txt\n", encoding="utf-8")
    (tmp_path / "sub" / "three.txt").touch()
    lines = ["--requirement=one.txt", "-c with space.txt", "a-1.whl", "-r gone.txt", "-e .", "six"]
    found = parse_recipe({"dependencies": [{"pip": lines}]}, "conda.yaml", tmp_path).files
    first = ["one.txt", "with space.txt", "a-1.whl"]
    assert [path.name for path in found] == [*first, "two.txt", "three.txt"]


def test_the_conda_packages_that_pypi_does_not_have_are_known() -> None:
    found = recipe("conda-forge::graphviz=2", "Snappy", "python-graphviz=0.20", "numpy")
    assert found.not_on_pypi == ["conda-forge::graphviz=2", "Snappy"]
    assert found.requirements[2] == "graphviz==0.20.*"


def test_packages_that_only_conda_needs_are_left_out() -> None:
    unneeded = ["cpuonly", "_libgcc_mutex=0.1=main", "_openmp_mutex", "conda-forge::blas=*=mkl"]
    unneeded += ["pytorch-cuda=12.1", "ld_impl_linux-64=2.40=h12_2", "libgcc-ng", "libgfortran5"]
    found = recipe(*unneeded, "librosa", "libclang", "numpy")
    assert found.only_for_conda == unneeded
    assert found.requirements == ["librosa", "libclang", "numpy"]
    assert found.not_on_pypi == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "dependencies"),
        ({"name": "x"}, "dependencies"),
        ({"dependencies": "numpy"}, "dependencies"),
        ({"dependencies": [3]}, "got 3"),
        # Each wrong line is reported.
        (
            {"dependencies": [3, "a", 4]},
            "got 3; dependencies: must be names of packages and pip: w",
        ),
        ({"dependencies": ["a=x!", 3, {"pip": ["b c", 5]}]}, "got 'a=x!'; dependencies: "),
        ({"dependencies": ["a=x!", 3, {"pip": ["b c", 5]}]}, "got 'b c'; pip: must be a list of "),
        ({"dependencies": ["python=three", "a=x!"]}, "got 'python=three'; dependencies: must be c"),
        ({"dependencies": ["numpy=1.26|1.27"]}, "numpy=1.26|1.27"),
        ({"dependencies": ["numpy[version]"]}, "numpy[version]"),
        ({"dependencies": ["numpy[version='1]"]}, "version='1"),
        ({"dependencies": ["a b c d"]}, "a b c d"),
        ({"dependencies": [{"npm": ["left-pad"]}]}, "npm"),
        ({"dependencies": [{"pip": "six"}]}, "'six'"),
        ({"dependencies": [{"pip": [1]}]}, "got 1"),
        ({"dependencies": [{"pip": ["six=1.16"]}]}, "six=1.16"),
        (
            {"dependencies": ["a b c d", "numpy=1|2", {"pip": ["six=1", "toml=2"]}]},
            "got 'a b c d'; "
            "dependencies: must be conda packages with a version such as =1.26, got 'numpy=1|2'; "
            "pip: must be a requirement, got 'six=1'; pip: must be a requirement, got 'toml=2'",
        ),
    ],
)
def test_a_file_that_conda_would_refuse_is_a_fault(content: object, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(content, "conda.yaml", Path("/folder"))
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["dependencies: [", "\0", "a: b", "- a"])
def test_a_broken_file_is_one_line_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "conda.yaml"
    path.write_text(text, encoding="utf-8")
    for broken in (path, tmp_path, tmp_path / "missing"):
        with pytest.raises(RecipeError) as caught:
            read_conda_file(broken)
        assert str(broken) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_projects_own_conda_files_are_valid() -> None:
    for path in [*REPOSITORY.glob("trainer/*.yaml"), *REPOSITORY.glob("examples/*/conda.yaml")]:
        found = read_conda_file(path)
        names = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
        assert found.python_request.startswith("3.")
        assert len(found.conda) == sum(isinstance(name, str) for name in names) - 1
