"""The packages of a conda file on PyPI, for a machine without conda.

The syntax of a conda package:
https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/pkg-specs.html
"""

import re
import shutil

from packaging.requirements import InvalidRequirement, Requirement

#: `channel::name`, and then the version and the build, separated by spaces or by `=`. The fields in
#: brackets, e.g. `[version='>=1.26', build=py311*]`, replace the version and the build.
_PACKAGE = re.compile(
    r"(?:[^:\s]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>[^\[\]]*)(?:\[(?P<fields>.*)\])?"
)
_FIELD = re.compile(r"\s*(?P<key>\w+)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[^,'\"]*)\s*(?:,|$)")
#: `=1.26`, `=1.26.*` or `=1.26.4=py311h1234`, but not `==1.26.4`.
_FUZZY = re.compile(r"=(?!=)\s*(?P<version>[\w.!+*]+)(?:\s*=\s*[\w.*]+)?")
#: `==1.26.4=py311h1234` or `==1.26.4 py311h1234`.
_EXACT = re.compile(r"==\s*(?P<version>[\w.!+*]+)(?:[\s=]+[\w.*]+)?")
#: `1.26` or `1.26.* py311h1234`, after a space.
_BARE = re.compile(r"(?P<version>[\d*][\w.!+*]*)(?:[\s=]+[\w.*]+)?")

#: Conda package -> the name of the same software on PyPI, for software with two different names. On
#: PyPI, another project may have the name of the conda package.
_PYPI_NAMES = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "docker-py": "docker",
    "faiss": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "redis-py": "redis",
    "ruamel_yaml": "ruamel.yaml",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}
#: Conda packages that are not Python packages. PyPI has no project of this name, or a project with
#: other software.
_OTHER_SOFTWARE = """
anaconda boost compilers conda cuda cuda-nvcc cuda-toolkit cudatoolkit cudnn curl eigen ffmpeg gcc
geos git go graphviz gxx hdf5 imagemagick java-jdk jpeg jq libpng libxml2 llvm make mamba mysql
nccl nodejs openjdk openmpi pandoc perl poppler postgresql proj redis rsync ruby rust snappy sox
tesseract unzip vim wget zstd
"""
#: Conda packages that choose a build of other packages, or contain libraries for conda's Python and
#: NumPy. The Python that uv finds, and the packages on PyPI, need none of them.
_ONLY_FOR_CONDA = """
blas bzip2 ca-certificates cpuonly cuda-version expat ncurses nomkl openblas openssl python_abi
pytorch-cuda pytorch-mutex readline sqlite tk xz zlib
"""
_ONLY_FOR_CONDA_PATTERN = re.compile(
    r"_\w+_mutex|_\w+_select|ld_impl_.+|lib(blas|cblas|expat|ffi|gcc|gfortran|gomp|lapack|lapacke|nsl"
    r"|openblas|sqlite|stdcxx|uuid|xcrypt|zlib)\d*(-ng)?"
)


class RecipeError(ValueError):
    """A conda file that is not valid. The text is the rule, the value and the remedy."""


def find_conda() -> str | None:
    """Return the path of the first of conda, mamba and micromamba that is on PATH."""
    programs = map(shutil.which, ("conda", "mamba", "micromamba"))
    return next(filter(None, programs), None)


def name_and_version(package: str) -> tuple[str, str]:
    """Return the name and the version part of a conda package.

    Raises:
        RecipeError: `package` does not have the syntax of conda.
    """
    found = _PACKAGE.fullmatch(package.strip())
    fields = {} if found is None else _fields(found["fields"] or "")
    if found is None or fields is None:
        raise RecipeError(f"dependencies: must be conda packages, got {package!r}")
    return found["name"].lower(), fields.get("version") or found["rest"].strip()


def is_only_for_conda(package: str) -> bool:
    """Return whether a conda package is useless without conda, e.g. `_libgcc_mutex`."""
    name = name_and_version(package)[0]
    is_known = name in _ONLY_FOR_CONDA.split()
    return is_known or _ONLY_FOR_CONDA_PATTERN.fullmatch(name) is not None


def is_other_software(package: str) -> bool:
    """Return whether PyPI does not have a conda package, or has other software of this name."""
    return name_and_version(package)[0] in _OTHER_SOFTWARE.split()


def requirement(package: str) -> str:
    """Return the requirement for PyPI that means the same as a conda package.

    Raises:
        RecipeError: pip has no version specifier for the version of the conda package.
    """
    name, rest = name_and_version(package)
    version = specifier(rest)
    text = f"{_PYPI_NAMES.get(name, name)}{version}"
    try:
        if Requirement(text).specifier or not version:
            return text
    except InvalidRequirement:
        pass
    raise RecipeError(
        f"dependencies: must be conda packages with a version such as =1.26, got {package!r}"
    )


def specifier(rest: str) -> str:
    """Return pip's version specifier for the version part of a conda package."""
    if found := _EXACT.fullmatch(rest):
        return f"=={found['version']}"
    if found := _FUZZY.fullmatch(rest) or _BARE.fullmatch(rest):
        # `=1.26` means every version that begins with 1.26. `=*` means every version.
        version = found["version"].removesuffix("*").removesuffix(".")
        return f"=={version}.*" if version else ""
    return rest.replace(" ", "")


def python_request(rest: str) -> str:
    """Return the version of Python as uv expects it, e.g. `3.11` or `>=3.9,<3.12`."""
    version = specifier(rest)
    if version.startswith("==") and "," not in version:
        return version.removeprefix("==").removesuffix(".*")
    return version


def _fields(text: str) -> dict[str, str] | None:
    """Return the fields in the brackets of a conda package; None if a field is not valid."""
    fields, end = {}, 0
    while end < len(text):
        if (found := _FIELD.match(text, end)) is None:
            return None
        fields[found["key"]], end = found["value"].strip("'\" "), found.end()
    version = fields.get("version", "")
    # In brackets, a version without an operator means exactly this version.
    return {
        **fields,
        "version": f"=={version}" if re.fullmatch(r"\d[\w.!+]*", version) else version,
    }
