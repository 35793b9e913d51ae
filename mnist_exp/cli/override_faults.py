"""All faults of a command that Hydra cannot compose.

Hydra stops at the first override that does not fit. So each override is applied by itself, on top
of those that fit, and the config that results is checked like any other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from mnist_exp.cli.arguments import override_key
from mnist_exp.cli.compose import config_folder, split
from mnist_exp.cli.display import error_lines
from mnist_exp.cli.hydra_errors import explain, is_foreign
from mnist_exp.cli.prepare import checked_experiment

#: Hydra's flags that name where configs are -> our name for the flag.
_PLACES = {
    **dict.fromkeys(("--config-dir", "-cd"), "folder"),
    **dict.fromkeys(("--config-name", "-cn"), "name"),
    **dict.fromkeys(("--config-path", "-cp"), "path"),
}


def all_faults(first: Exception, flags: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return a line for each fault of a command that Hydra cannot compose.

    Args:
        first: The error that Hydra stopped with.
        flags: Hydra's flags of the command.
        overrides: The command's overrides.
    """
    places = _places(flags, overrides)
    if places is None:
        return [explain(first)]
    faults: list[str] = []
    bad_keys, fitting = set(), list[str]()
    with _composer(places) as composed_with:
        composed: DictConfig | None = None
        # Hydra chooses config groups first, wherever they stand in the command.
        for override in sorted(overrides, key=lambda text: "." in override_key(text)):
            try:
                composed = composed_with([*fitting, override])
            except Exception as error:
                if not is_foreign(error):
                    raise
                faults.append(explain(error))
                bad_keys.add(override_key(override))
            else:
                fitting.append(override)
    if composed is None:
        return list(dict.fromkeys(faults)) or [explain(first)]
    others = [line for line in _config_faults(composed) if _key(line) not in bad_keys]
    return list(dict.fromkeys([*faults, *others]))


def _config_faults(composed: DictConfig) -> Sequence[str]:
    """Return a line for each fault of a composed config."""
    try:
        checked_experiment(*split(composed))
    except Exception as error:
        lines = error_lines(error)
        if lines is None:
            raise
        return lines
    return []


def _key(line: str) -> str:
    """Return the key that a fault's line begins with."""
    return line.partition(":")[0]


def _places(flags: Sequence[str], overrides: Sequence[str]) -> dict[str, str] | None:
    """Return the values of the flags that name where configs are.

    Returns:
        None where we cannot compose as Hydra does: the command has other flags, it sets Hydra's
        search path itself, or its config folder does not exist.
    """
    places = {}
    rest = [flag for flag in flags if flag not in ("--run", "-r")]
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in _PLACES:
            return None
        places[_PLACES[name]] = value if equals else rest.pop(0)
    if "folder" in places and (
        not Path(places["folder"]).is_dir() or "hydra.searchpath" in map(override_key, overrides)
    ):
        return None
    return places


@contextmanager
def _composer(places: dict[str, str]) -> Iterator[Callable[[list[str]], DictConfig]]:
    """Return a function that composes overrides, with the configs where the flags name them."""
    GlobalHydra.instance().clear()
    # Hydra takes a relative --config-path from the folder of the module with the main function.
    folder = Path(__file__).parent / places.get("path", config_folder())
    own = str(Path(places.get("folder", "")).absolute()).replace("'", "\\'")
    search = [f"hydra.searchpath=['file://{own}']"] if "folder" in places else []
    with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
        yield lambda overrides: compose(
            places.get("name", "config"),
            [*search, *overrides],
            return_hydra_config=True,
        )
