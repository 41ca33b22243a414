"""A real Triton server without Docker, to test and measure the back end `triton`.

    python tools/triton_server.py REPOSITORY [--port 8001] [--refuse-shared-memory]

The server is that of PyPI's nvidia-pytriton (requirements/triton-server.txt; `make test` installs it). It
carries none of the compiled back ends, so tools/triton_openvino.py stands in for ONNX Runtime's.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_connection

from capture.clock import monotonic_ns, sleep_s
from capture.errors import UserError

HOST = "127.0.0.1"
WHEEL = Path(sys.prefix) / "triton-server"
STAND_IN = Path(__file__).with_name("triton_openvino.py")
START_S = 60.0
PIPE_BYTES = 4 * 2**20  # between the server and a model's Python: an image of 640x480 fills the usual MiB
REFUSE_SHARED_MEMORY = "--grpc-restricted-protocol=shared-memory:nobody=knows"


@contextmanager
def serve(repository: Path, port: int, options: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A server of a model repository while the context lasts, ready to be asked; models may have failed.

    UserError if it is not installed, or does not start.
    """
    server = WHEEL / "pytriton" / "tritonserver"
    if not server.is_dir():
        raise UserError(f"expected nvidia-pytriton in {WHEEL}, found none; `make setup-test` installs it")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={_make_backends(server, Path(folder) / 'backends')}",
            f"--grpc-address={HOST}",
            f"--grpc-port={port}",
            f"--backend-config=python,shm-default-byte-size={PIPE_BYTES}",
            *("--allow-http=false", "--allow-metrics=false", "--exit-on-error=false"),
            *options,
        ]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=_environment(), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            _wait(process, port, log)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=START_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the models' processes outlive a server that crashed


def _make_backends(server: Path, folder: Path) -> Path:
    """A folder of back ends: Python's, with what it starts for this Python, and the stand-in."""
    version = "{}.{}".format(*sys.version_info)
    shutil.copytree(server / "backends" / "python", folder / "python")
    for file in (server / "python_backend_stubs" / version).iterdir():
        shutil.copy2(file, folder / "python")
    (folder / "onnxruntime").mkdir()
    shutil.copyfile(STAND_IN, folder / "onnxruntime" / "model.py")
    return folder


def _environment() -> dict[str, str]:
    """Where the server finds its libraries and this Python's, and the Python that it starts its packages."""
    libraries = [str(WHEEL / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]
    programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PATH": os.pathsep.join(programs),
    }


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server takes connections, which it does after it has loaded its models."""
    end_ns = monotonic_ns() + START_S * 1e9
    while process.poll() is None and monotonic_ns() < end_ns:
        try:
            create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            sleep_s(0.05)
    lines = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
    raise UserError(f"expected the Triton server to start, it said: {lines[-1]}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", type=Path, help="what `run_aimbot.py convert triton` wrote")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--refuse-shared-memory", action="store_true", help="as a server elsewhere would")
    asked = parser.parse_args()
    options = [REFUSE_SHARED_MEMORY] if asked.refuse_shared_memory else []
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends with this process
    try:
        with suppress(KeyboardInterrupt), serve(asked.repository, asked.port, options) as process:
            print(f"serving {asked.repository} at {HOST}:{asked.port}; Ctrl-C ends it", flush=True)
            process.wait()
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
