"""The code of docs/dask.md runs, each block as a program, and gives what `transform` gives."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from madapt import MatryoshkaAdaptor
from madapt.datasets import load_cranfield

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "dask.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
SPARK = """
from pyspark.sql import SparkSession

build = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
build = build.config("spark.driver.bindAddress", "127.0.0.1")
spark = build.config("spark.driver.host", "127.0.0.1").getOrCreate()
table = pd.DataFrame({"id": range(100), "vector": X[:100].tolist()})
frame = spark.createDataFrame(table)
"""


@pytest.fixture
def folder(tmp_path):
    local = MatryoshkaAdaptor(rotation="svd", hidden_dim=None).fit(load_cranfield().corpus)
    local.save(tmp_path / "adaptor.safetensors")
    return tmp_path


def run(code, folder):
    """Run a program in a folder; what it names `found` comes back."""
    code = f"{code}\nimport numpy as np\nnp.save({str(folder / 'found.npy')!r}, found)\n"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(folder / "found.npy")


def expected(folder):
    adaptor = MatryoshkaAdaptor.load(folder / "adaptor.safetensors")
    return adaptor.transform(load_cranfield().corpus, dim=64)


def test_there_is_a_block_for_each():
    assert len(BLOCKS) == 3


def test_dask(folder):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    check = (
        "found = small\nassert codes.dtype == np.int8\n"
        "np.testing.assert_array_equal(same.compute(), small)\n"
    )
    found = run(BLOCKS[0] + check, folder)
    np.testing.assert_allclose(found, expected(folder), atol=1e-6)  # of the file it wrote


def test_ray(folder):
    pytest.importorskip("ray", reason="too heavy for CI")
    given = (
        "import ray\nfrom madapt.datasets import load_cranfield\nX = load_cranfield().corpus\n"
        'ray.init(num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1")\n'
    )
    # Actors have folders of their own.
    block = BLOCKS[1].replace('"adaptor.safetensors"', repr(str(folder / "adaptor.safetensors")))
    np.testing.assert_allclose(run(given + block, folder), expected(folder), atol=1e-6)


def test_spark(folder):
    pytest.importorskip("pyspark", reason="too heavy for CI")
    path = str(folder / "adaptor.safetensors")
    given = "from madapt.datasets import load_cranfield\nX = load_cranfield().corpus\n"
    given += f"path = {path!r}\n"
    block = BLOCKS[2].replace("\n\n\n@pandas_udf", f"\n{SPARK}\n@pandas_udf")
    after = 'found = np.stack(adapted.orderBy("id").toPandas()["vector"])\n'
    found = run(given + block + after, folder)
    np.testing.assert_allclose(found, expected(folder)[:100], atol=1e-6)
