#!/usr/bin/env python3
"""Real Keras opens what dwconv wrote, and dwconv what Keras wrote; their outputs are compared.

  check_models.py --program write_models --venv DIR [--work DIR]

Runs itself again in the environment DIR (scripts/test.sh --with-keras makes it from requirements.txt). Where that has
no Keras, says so and exits 77, which ctest shows as skipped. Prints the largest difference for each kind of file.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
HERE = pathlib.Path(__file__).resolve().parent

# Largest differences, relative to the largest output (at least 1). For 16 bits: a few units of their last place.
TOLERANCES = {"float16": 2e-3, "bfloat16": 2e-2}
TOLERANCE = 1e-6


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path)
    return parser.parse_args()


def skip(reason):
    print(f"SKIPPED, NOTHING WAS COMPARED WITH KERAS: {reason}")
    sys.exit(SKIPPED)


def enter_environment(venv):
    """Replaces this process by one in the environment, unless it is that one."""
    if os.environ.get("DWC_IN_KERAS_VENV"):
        return
    python = (venv / "bin" / "python") if venv else pathlib.Path(sys.executable)
    if not python.exists():
        skip(f"{venv} has no Python; `scripts/test.sh --with-keras` makes it")
    imports = [python, "-c", "import keras, jax, h5py, safetensors"]
    if subprocess.run(imports, env=settings(), capture_output=True).returncode:
        skip(f"Keras and what it needs cannot be imported by {python}; `scripts/test.sh --with-keras` installs them")
    sys.stdout.flush()
    os.execve(python, [str(python), *sys.argv], {**settings(), "DWC_IN_KERAS_VENV": "1"})


def settings():
    # Nothing of the user's: no keras.json, which our program reads, too, and no GPU. JAX has float64 only when asked.
    return {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_HOME": os.devnull + "/none"}


class Report:
    """Failures, and the largest difference of each kind of file and type."""

    def __init__(self, quiet=False):
        self.quiet = quiet
        self.failures = []
        self.largest = {}
        self.checks = 0

    def check(self, what, holds, detail=""):
        self.checks += 1
        if not holds:
            self.failures.append(f"{what}: {detail}")
            if not self.quiet:
                print(f"FAILED {what}: {detail}")

    def compare(self, what, kind, dtype, ours, theirs):
        import numpy as np

        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs).astype(np.float64)
        self.check(what, ours.shape == theirs.shape, f"shapes {ours.shape} and {theirs.shape}")
        if ours.shape != theirs.shape:
            return
        scale = max(1.0, float(np.abs(theirs).max(initial=0)))
        # Not abs(...).max() alone: a NaN on one side must not pass.
        difference = float(np.abs(ours - theirs).max(initial=0)) / scale
        limit = TOLERANCES.get(dtype, TOLERANCE)
        self.check(what, difference <= limit, f"outputs differ by {difference:.3g} relative, limit {limit:.3g}")
        key = (kind, dtype)
        self.largest[key] = max(self.largest.get(key, 0.0), difference)

    def finish(self):
        for (kind, dtype), difference in sorted(self.largest.items()):
            print(f"{kind:24} {dtype:10} largest difference {difference:.3g}")
        print(f"{self.checks} checks, {len(self.failures)} failed")
        return 1 if self.failures or not self.checks else 0


def compute_dtype(model):
    return model.layers[-1].compute_dtype


def plain(value):
    """As JSON would hold it: tuples become lists."""
    return json.loads(json.dumps(value))


def keras_config(layer):
    """Of a layer in front of a file: what Keras' own serialization writes."""
    import keras

    return plain(keras.saving.serialize_keras_object(layer)["config"])


def drop_shared(value):
    """Keras numbers objects that occur twice; which, is no property of the layer."""
    if isinstance(value, dict):
        return {key: drop_shared(item) for key, item in value.items() if key != "shared_object_id"}
    return [drop_shared(item) for item in value] if isinstance(value, list) else value


def check_configs(report, name, model, folder):
    import zipfile

    with zipfile.ZipFile(folder / "model.keras") as archive:
        report.check(f"{name}: stored", all(item.compress_type == 0 for item in archive.infolist()))
        report.check(f"{name}: no damage", archive.testzip() is None)
        members = archive.namelist()
        report.check(f"{name}: members", members == ["metadata.json", "config.json", "model.weights.h5"], members)
        ours = json.loads(archive.read("config.json"))["config"]["layers"][1:]
    report.check(f"{name}: layers", len(ours) == len(model.layers))
    for mine, layer in zip(ours, model.layers):
        theirs = drop_shared(keras_config(layer))
        mine = mine["config"]
        what = f"{name}: config of {layer.name}"
        report.check(f"{what}, keys", list(mine) == list(theirs), f"{list(mine)} and Keras' {list(theirs)}")
        for key in mine:
            report.check(f"{what}, {key}", mine[key] == theirs.get(key), f"{mine[key]} and Keras' {theirs.get(key)}")
            if key != "activation" and isinstance(mine[key], dict) and isinstance(theirs.get(key), dict):
                # Objects, too, hold their arguments in Keras' order. (Activation layers have one of their own each.)
                report.check(f"{what}, {key} in order", json.dumps(mine[key]) == json.dumps(theirs[key]),
                             f"{json.dumps(mine[key])} and Keras' {json.dumps(theirs[key])}")


def check_layout(report, name, model, folder):
    """The same groups, attributes, shapes and types as in a file that Keras writes of the same model."""
    import h5py

    def items(path):
        found = {}

        def note(at, item):
            shape = getattr(item, "shape", None)
            found[at] = (type(item).__name__, shape, str(getattr(item, "dtype", "")), sorted(item.attrs),
                         str(item.attrs.get("dtype", "")), str(item.attrs.get("name", "")))

        with h5py.File(path, "r") as file:
            file.visititems(note)
        # An activation that is a layer has groups of its own, in which there is nothing.
        return {at: item for at, item in found.items() if "/activation" not in at}

    theirs = folder / "keras.weights.h5"
    model.save_weights(theirs)
    ours, theirs = items(folder / "model.weights.h5"), items(theirs)
    report.check(f"{name}: layout of .weights.h5", ours == theirs, f"{ours} and Keras' {theirs}")


def safetensors_into(model, path):
    from safetensors import safe_open

    with safe_open(path, framework="flax") as file:
        for layer in model.layers:
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            layer.set_weights([file.get_tensor(name) for name in names])
        return sorted(file.keys()) == sorted(f"{l.name}/{w.name}" for l in model.layers for w in l.weights)


def fresh(model):
    """The same architecture with other weights."""
    import keras
    import numpy as np

    other = keras.Sequential.from_config(model.get_config())
    for layer in other.layers:
        layer.set_weights([np.full(weight.shape, 0.5, np.float32) for weight in layer.weights])
    return other


def check_ours(report, folder):
    import keras
    import numpy as np

    name = folder.name
    x, y = np.load(folder / "x.npy"), np.load(folder / "y.npy")
    model = keras.models.load_model(folder / "model.keras")
    dtype = compute_dtype(model)

    def compare(kind, loaded):
        report.compare(f"{name} {kind}", f"ours {kind}", dtype, y, loaded.predict(x, verbose=0))

    compare(".keras", model)
    other = fresh(model)
    before = np.asarray(other.predict(x, verbose=0)).astype(np.float64)
    report.check(f"{name}: weights matter", not np.allclose(before, y, atol=1e-3), "fresh ones give the same output")
    other.load_weights(folder / "model.weights.h5")
    compare(".weights.h5", other)
    compare(".h5", keras.models.load_model(folder / "model.h5", compile=False))
    other = fresh(model)
    report.check(f"{name}: names in .safetensors", safetensors_into(other, folder / "model.safetensors"))
    compare(".safetensors", other)
    check_configs(report, name, model, folder)
    check_layout(report, name, model, folder)


def keras_models():
    """Of Keras' own making: name, model, input."""
    import keras
    from keras import layers

    def chain(*parts, shape):
        keras.backend.clear_session()
        return keras.Sequential([keras.Input(shape), *parts])

    depthwise, separable = layers.DepthwiseConv1D, layers.SeparableConv1D
    yield "plain", chain(depthwise(3, bias_initializer="random_normal"), shape=(10, 4))
    yield "same", chain(depthwise(4, 3, "same", 2, activation="gelu", use_bias=False), shape=(19, 4))
    yield "dilated", chain(depthwise(3, dilation_rate=3, bias_initializer="random_normal"), shape=(19, 4))
    yield "first", chain(depthwise(3, data_format="channels_first", depth_multiplier=2), shape=(4, 12))
    yield "layer_activation", chain(depthwise(3, activation=layers.LeakyReLU(negative_slope=0.4)), shape=(12, 4))
    yield "objects", chain(depthwise(3, depthwise_regularizer="l2", bias_constraint="non_neg",
                                     activity_regularizer="l1",
                                     depthwise_initializer=keras.initializers.HeNormal(seed=1)), shape=(12, 4))
    yield "separable", chain(separable(5, 3, depth_multiplier=2, activation="tanh", bias_initializer="random_normal"),
                             shape=(12, 4))
    yield "separable_first", chain(separable(5, 3, padding="same", data_format="channels_first", use_bias=False),
                                   shape=(4, 12))
    yield "chain", chain(depthwise(3, padding="same", activation="relu"), separable(8, 3, strides=2, name="middle"),
                         depthwise(2, depth_multiplier=3, bias_initializer="ones"), separable(2, 1), shape=(24, 4))
    for dtype in ("float16", "bfloat16", "mixed_bfloat16", "float64"):
        yield dtype, chain(depthwise(3, dtype=dtype, bias_initializer="random_normal"),
                           separable(3, 2, dtype=dtype, activation="relu"), shape=(12, 4))


def check_theirs(report, program, work):
    import keras
    import numpy as np

    keras.utils.set_random_seed(20)
    random = np.random.default_rng(20)
    for name, model in keras_models():
        x = random.uniform(-1, 1, (3, *model.input_shape[1:])).astype(np.float32)
        np.save(work / "x.npy", x)
        dtype = compute_dtype(model)
        theirs = np.asarray(model.predict(x, verbose=0))
        for ending in (".keras", ".h5"):
            if ending == ".h5" and name == "bfloat16":
                continue  # Keras cannot read it back either: two bytes of no type
            path, y = work / f"{name}{ending}", work / "y.npy"
            model.save(path)
            y.unlink(missing_ok=True)
            done = subprocess.run([program, "run", path, work / "x.npy", y], capture_output=True, text=True)
            report.check(f"Keras' {name}{ending}", done.returncode == 0, done.stderr.strip())
            if done.returncode == 0:
                report.compare(f"Keras' {name}{ending}", f"Keras' {ending}", dtype, np.load(y), theirs)


def check_bites(report, folder):
    """A comparison that cannot fail would prove nothing."""
    import numpy as np

    dummy = Report(quiet=True)
    y = np.load(folder / "y.npy")
    wrong = y.copy()
    wrong.flat[0] += 1e-5 * max(1.0, float(np.abs(y).max()))
    dummy.compare("one value off", "", "float32", wrong, y)
    dummy.compare("not a number", "", "float32", np.full_like(y, np.nan), y)
    dummy.compare("other shape", "", "float32", y[:1], y)
    report.check("comparisons bite", len(dummy.failures) == 3, dummy.failures)


def main():
    given = arguments()
    enter_environment(given.venv)
    import absl.logging

    absl.logging.set_verbosity(absl.logging.ERROR)
    import jax
    import keras

    print(f"Keras {keras.__version__}, JAX {jax.__version__}, Python {sys.version.split()[0]}")
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or pathlib.Path(temporary)
        ours, theirs = work / "ours", work / "theirs"
        for folder in (ours, theirs):  # of an earlier run
            shutil.rmtree(folder, ignore_errors=True)
        theirs.mkdir(parents=True, exist_ok=True)
        subprocess.run([given.program, "write", ours], check=True)
        folders = sorted(folder for folder in ours.iterdir())
        for folder in folders:
            try:
                check_ours(report, folder)
            except Exception as error:  # Keras refuses a file: a failure of this one, the others are still looked at
                report.check(folder.name, False, f"{type(error).__name__}: {str(error)[:600]}")
        check_theirs(report, given.program, theirs)
        check_bites(report, folders[0])
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
