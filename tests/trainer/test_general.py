import json
import os

from tests.trainer.forking import ForkedScript

# TensorFlow divides its processor into two devices of one process, in place of two GPUs.
CODE = """
import json
from digits.lean import import_tensorflow

tf = import_tensorflow(keras=False)
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    processor, [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
)

import numpy as np
from digits.compiled import CompiledPath
from digits.compute import Progress
from digits.data import Digits
from digits.general import GeneralPath
from digits.settings import parse_arguments
from digits.training import epoch_order

settings = parse_arguments(["--data-folder", ".", "--batch-size", "8", "--learning-rate", "0.1"])
random = np.random.default_rng(0)
images = random.integers(0, 256, (64, 784), dtype=np.uint8)
digits = Digits(images, random.integers(0, 10, 64, dtype=np.uint8))
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
alone, both = CompiledPath(settings, digits), GeneralPath(settings, digits, strategy)
for number in (1, 2, 3):
    order = epoch_order(1, number, len(digits))
    ends = [path.train(order, Progress(), 8) for path in (alone, both)]
pairs = zip(alone.dense_weights(), both.dense_weights(), strict=True)
print(json.dumps({
    "devices": strategy.num_replicas_in_sync,
    "distance": max(float(np.abs(one - other).max()) for one, other in pairs),
    "hits": [end.correct for end in ends],
    "same": bool((alone.predict(images) == both.predict(images)).all()),
}))
"""


def test_two_devices_of_one_machine_train_as_one_device(fork_server, tmp_path):
    script = tmp_path / "devices.py"
    script.write_text(CODE, encoding="utf-8")
    process = ForkedScript([str(script)], tmp_path, os.environ)
    out, err = process.communicate()
    assert process.returncode == 0, err
    found = json.loads(out.splitlines()[-1])
    assert found["devices"] == 2
    assert found["distance"] < 1e-5
    assert found["hits"][0] == found["hits"][1]
    assert found["same"]
