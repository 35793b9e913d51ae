"""Messages for the errors that Hydra and OmegaConf raise on bad input.

The original messages of Hydra and OmegaConf span several lines and contain internal names. We
replace each message by one line with key, rule, value and remedy. If we do not recognize an error,
we join its original text into one line.
"""

import re
import shlex
import traceback

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigKeyError as OmegaConfKeyError
from omegaconf.errors import (
    GrammarParseError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError  # type: ignore[import-untyped]

from mnist_exp.cli.schema_keys import describe, explain_key, keys_at, listing, similar, type_at
from mnist_exp.hidden_values import VARIABLES
from mnist_exp.names import describe_path
from mnist_exp.templates import hydra_text

#: Text of the ValueError that Hydra raises if the option of a config group is a number or null. The
#: text does not name the group.
_NO_OPTION = "Config group override must be a string or a list"

#: The part of a message in which Hydra quotes a bad override.
_OVERRIDE = re.compile(r"(?:^Error merging override |^To append to your config use \+)(.*)", re.M)

#: The beginning of the message for an interpolation whose value has the wrong type.
_WRONG_TYPE = re.compile(r"While dereferencing interpolation '(.*?)': ")

#: Azure ML's own references, which Hydra reads as interpolations.
_AZURE_REFERENCE = re.compile(r"\$\{\{")
_WITHOUT_DOLLAR = (
    "${{...}} is Azure ML's spelling, which Hydra would read as an interpolation; "
    "leave out the dollar sign: {{inputs.x}}, {{outputs.x}}, {{search_space.x}}"
)


#: Hydra's key for the values of a multirun. The keys of this mapping are dotted config keys.
_SWEEPER = "hydra.sweeper.params"
_AS_A_MAPPING = (
    "must be a mapping of keys to texts; write "
    "'+hydra.sweeper.params={model.epochs: \"5,10\"}', or -m model.epochs=5,10"
)
#: Config group of Hydra and its option -> the package with the plugin.
#: https://hydra.cc/docs/plugins/joblib_launcher
_PLUGINS = {
    ("hydra/launcher", "joblib"): "hydra-joblib-launcher",
    ("hydra/launcher", "ray"): "hydra-ray-launcher",
    ("hydra/launcher", "rq"): "hydra-rq-launcher",
    ("hydra/launcher", "submitit_local"): "hydra-submitit-launcher",
    ("hydra/launcher", "submitit_slurm"): "hydra-submitit-launcher",
    ("hydra/sweeper", "ax"): "hydra-ax-sweeper",
    ("hydra/sweeper", "nevergrad"): "hydra-nevergrad-sweeper",
    ("hydra/sweeper", "optuna"): "hydra-optuna-sweeper",
}


def is_foreign(error: BaseException) -> bool:
    """Return whether Hydra or OmegaConf raised the exception because of bad input."""
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError | UnicodeDecodeError):
        return True
    # OmegaConf adds this attribute to any exception that is raised inside OmegaConf.
    return hasattr(error, "full_key") or _comes_from_hydra(error)


def _comes_from_hydra(error: BaseException) -> bool:
    """Return whether a line of Hydra's or OmegaConf's code raised the exception.

    Both libraries also raise exceptions of Python's own classes, e.g. AssertionError.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    module = frames[-1][0].f_globals.get("__name__", "") if frames else ""
    return module.partition(".")[0] in ("hydra", "omegaconf")


def explain(error: BaseException) -> str:
    """Return one line for an exception of Hydra or OmegaConf (see `is_foreign`)."""
    if isinstance(error, YAMLError | UnicodeDecodeError):
        kind = "valid YAML" if isinstance(error, YAMLError) else "UTF-8 text"
        return f"a config file is not {kind}: {_one_line(str(error))}"
    if isinstance(error, MissingConfigException):
        return _explain_option(error)
    if isinstance(error, OverrideParseException):
        return _explain_override_text(str(error.override))
    cause = _root_cause(error)
    if isinstance(cause, OmegaConfBaseException):
        override = _OVERRIDE.search(str(error))
        line = _explain_value(cause, override.group(1) if override else "")
        file = re.match(r"In '(.+?)': ", str(error))
        return _in_file(line, file.group(1)) if file else line
    if hasattr(cause, "full_key"):
        return f"{cause.full_key}: cannot be changed this way ({_one_line(str(cause))})"
    return _explain_text(str(error))


def _explain_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = [name for name in error.options or () if name]
    if not group or not options:
        return _one_line(str(error))
    meant = similar(option, options)
    line = f"{group}: must be one of {listing(options)}, got {option}{meant}"
    if package := _PLUGINS.get((group, option)):
        return f"{line}; to add {option}, run pip install {package}"
    if meant or group.startswith("hydra/"):
        return line
    own = f"FOLDER/{group}/{option}.yaml"
    return f"{line}; an option of your own is {own}, with --config-dir FOLDER"


def names_beside(error: BaseException) -> list[str]:
    """Return the names in the mapping in which Hydra did not find a key; else an empty list."""
    mapping = getattr(_root_cause(error), "parent_node", None)
    return [str(name) for name in mapping] if isinstance(mapping, DictConfig) else []


def _in_file(line: str, option: str) -> str:
    return f"{option}.yaml: {line}" if line.startswith("must be") else f"{line} (in {option}.yaml)"


def _explain_override_text(override: str) -> str:
    if _AZURE_REFERENCE.search(override):
        return f"{override.partition('=')[0]}: {_WITHOUT_DOLLAR}"
    key, equals, value = override.partition("=")
    if not equals and not override.startswith("~") and override.isidentifier():
        return f"{override}: must be written as key=value"
    quoted = quoted_override(key, value) if equals else quoted_override("key", "a, b")
    return (
        f"{override}: not a valid override; write key=value, "
        f"and quote a value that contains spaces, commas, braces or = : {quoted}"
    )


def quoted_override(key: str, value: str) -> str:
    """Return an override with a text as its value, quoted for Hydra and for the shell."""
    text = hydra_text(value) if {'"', "\\"} & set(value) else f'"{value}"'
    return shlex.quote(f"{key}={text}")


def _explain_value(error: OmegaConfBaseException, override: str) -> str:
    key = str(error.full_key or error.key or "")
    message = (error.msg or str(error)).partition("\n")[0]
    if isinstance(error, MissingMandatoryValue):
        return _explain_missing(key)
    if isinstance(error, InterpolationToMissingValueError):
        named = re.search(r"Missing mandatory value: (\S+)", message)
        return _explain_missing(named.group(1) if named else key)
    if isinstance(error, InterpolationResolutionError | GrammarParseError):
        return f"{key}: {_explain_interpolation(error, key, _one_line(message))}"
    if "does not support deletion" in message:
        value = "{}" if "mapping" in describe(type_at(key)) else "..."
        return f"~{key}: cannot be deleted, only set; write {key}={value}"
    return _explain_type(error, key, message, override)


def _explain_type(error: OmegaConfBaseException, key: str, message: str, override: str) -> str:
    if not key:
        return "must be a mapping of keys, got a list or a value"
    if key.startswith(_SWEEPER):
        return f"{_SWEEPER}: {_AS_A_MAPPING}"
    kind = type_at(re.sub(r"\[\d+\]", "", key))
    if isinstance(error, OmegaConfKeyError) or "not in" in message or kind is None:
        above, _, value = override.partition("=")
        if value.startswith("{") and key.startswith(f"{above}.") and keys_at(above) is None:
            return (
                f"{key}: no such key; {{...}} keeps the existing keys of {above}; "
                f"{_replacing(above)}"
            )
        return explain_key(key, names_beside(error))
    got = _got(key, message, override)
    is_variable = key.rpartition(".")[0] in VARIABLES and got == "got null"
    remedy = f'; write {key.rpartition(".")[2]}: "" for an empty text' if is_variable else ""
    return f"{key}: must be {describe(kind)}, {got}{remedy}"


def _replacing(above: str) -> str:
    """Return the remedy for a user who wants to replace all keys of a mapping."""
    if keys_at(above.rpartition(".")[0]) is None:
        return f"to replace all keys, write '~{above}' '+{above}={{...}}'"
    return (
        f"to replace all keys, empty the mapping with '{above}={{}}', "
        f"and add each key with '+{above}.KEY=...'"
    )


def _explain_interpolation(error: OmegaConfBaseException, key: str, message: str) -> str:
    # OmegaConf's message also contains the value of the interpolation, which may be a secret.
    if written := _WRONG_TYPE.match(message):
        return f"must be {describe(type_at(key))}, got another value from {written[1]}"
    if not isinstance(error, GrammarParseError):
        return message
    # OmegaConf's message contains only the first invalid character, not the whole value. The
    # character is { if the value contains ${{.
    return _WITHOUT_DOLLAR if "'{'" in message else f"not a valid ${{...}} ({message})"


def _got(key: str, message: str, override: str) -> str:
    """Return the text `got VALUE`, with the value from the override or from OmegaConf's message."""
    name, _, value = override.partition("=")
    name = name.lstrip("+~")
    if name == key:
        return f"got {value or repr(value)}"
    if name.startswith(f"{key}."):
        return f"which cannot have keys, got {override}"
    quoted = re.search(r"[Vv]alue '(.*?)'", message)
    if quoted:
        return f"got {quoted.group(1)}"
    return (
        "got null" if "is not Optional" in message else f"got something else ({_one_line(message)})"
    )


def _explain_missing(key: str) -> str:
    return f"{key}: must be given; add {key}=..."


def _explain_text(text: str) -> str:
    if _NO_OPTION in text:
        return (
            "a config group must be the name of one of its options, e.g. model=small, "
            "got a number or null"
        )
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown:
        return _explain_override(unknown.group(1))
    deleted = re.search(r"Could not delete from config\. '([^']+)' does not exist", text)
    if deleted:
        return f"~{deleted.group(1)}: no such key to delete"
    appended = re.search(r"Could not append to config\. An item is already at '([^']+)'", text)
    if appended:
        return f"+{appended.group(1)}: is already set; write {appended.group(1)}=... without the +"
    ambiguous = re.search(r"Ambiguous value for argument '([^']+)'", text)
    if ambiguous:
        key, _, value = ambiguous.group(1).partition("=")
        return (
            f"{key}={value}: several values need --multirun (-m), or brackets for a list: "
            f"{shlex.quote(f'{key}=[{value}]')}, or quotes for a text: "
            f"{quoted_override(key, value)}"
        )
    return _explain_folder(text) or _one_line(text) or "Hydra cannot read the command line"


def _explain_folder(text: str) -> str | None:
    missing = re.search(r"Additional config directory '(.+)' not found", text)
    if missing is None:
        return None
    path = missing.group(1)
    return f"--config-dir: must be a folder, got {path}, which {describe_path(path)}"


def _explain_override(key: str) -> str:
    group, _, option = key.partition("=")
    if option and keys_at(group) is None:
        return f"{group}: no such group or key{similar(group, keys_at('') or [])}"
    return explain_key(group)


def _root_cause(error: BaseException) -> BaseException:
    # Do not search the causes of an exception that names a key. Under a debugger, OmegaConf makes
    # such an exception its own cause.
    while not getattr(error, "full_key", None):
        cause = error.__cause__
        if cause is None and isinstance(error, ConfigCompositionException):
            cause = error.__context__  # Hydra raises this error without a cause.
        if cause is None or cause is error:
            break
        error = cause
    return error


def _one_line(text: str) -> str:
    return " ".join(text.split())
