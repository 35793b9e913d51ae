import os
import subprocess
import sys

import pytest

from digits.errors import Stopped
from digits.lean import _quiet_stderr

CODE = """
import sys
from digits.lean import import_tensorflow
tf = import_tensorflow(keras={keras})
names = ("matplotlib", "pandas", "sklearn", "keras")
print(tf.constant([1.0]).numpy().tolist(), *(name for name in names if name in sys.modules))
import {later}
print({later}.__name__)
"""


@pytest.mark.parametrize(
    ("keras", "loaded", "later"), [(False, "[1.0]", "keras"), (True, "[1.0] keras", "sklearn")]
)
def test_loads_only_what_is_needed_and_the_rest_later(trainer, keras, loaded, later):
    code = CODE.format(keras=keras, later=later)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=trainer, capture_output=True, check=True, text=True
    )
    assert result.stdout.splitlines() == [loaded, later]
    assert result.stderr == ""


@pytest.mark.parametrize(("end", "said"), [(ImportError, "greeting\n"), (Stopped, "")])
def test_the_output_of_an_import_is_shown_only_if_it_fails(capfd, end, said):
    with pytest.raises(end), _quiet_stderr():
        os.write(2, b"greeting\n")
        raise end
    assert capfd.readouterr().err == said
