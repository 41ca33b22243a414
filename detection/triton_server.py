"""One model of a Triton Inference Server: its address, what it says of itself, and its refusals in one line.

The protocol is KServe's version 2 over gRPC, in NVIDIA's own client:
https://github.com/triton-inference-server/client
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from tritonclient.grpc import (
    MAX_GRPC_MESSAGE_SIZE,
    InferenceServerClient,
    InferenceServerException,
    InferInput,
    InferRequestedOutput,
)

from capture.errors import UserError
from detection.shared_arrays import SharedArrays
from detection.signature import Signature, Tensor

PORT = 8001

# Triton's names of element types, to NumPy's.
TYPES = {"UINT8": "uint8", "FP32": "float32", "FP16": "float16", "INT32": "int32", "INT64": "int64"}
CHANNEL = [
    ("grpc.max_send_message_length", MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_SIZE),
    ("grpc.enable_http_proxy", 0),  # which knows nothing of a computer at home
]


class TritonServer:
    """The server and the model that a URL names; every question to it ends after `timeout_s`.

    UserError, in one line, for a server that does not answer in time or at all, and for what it refuses.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        """`url`: triton://HOST[:PORT]/MODEL; UserError if it is of another form."""
        self.url = url
        self.timeout_s = timeout_s
        self.address, self.model = parse_url(url)
        self._client = InferenceServerClient(self.address, channel_args=CHANNEL)

    def check_model(self) -> None:
        """UserError if the server does not have the model, or could not load it, with its reason."""
        known = self._ask(self._client.get_model_repository_index).models
        versions = [model for model in known if model.name == self.model]
        if any(version.state == "READY" for version in versions):
            return
        if versions:
            told = " ".join(f"{versions[-1].state} {versions[-1].reason}".split()) or "nothing"
            raise UserError(f"expected {self.url} to be loaded, the server says: {told}")
        names = sorted({model.name for model in known})
        near = get_close_matches(self.model, names, n=1, cutoff=0.5)
        raise UserError(
            f"expected a model of the server {self.address} ({', '.join(names) or 'it has none'}), "
            f"got {self.model!r}" + (f"; did you mean {near[0]}?" if near else "")
        )

    def read_signature(self) -> tuple[Signature, list[str], list[str]]:
        """The model's signature, and the names of its inputs and outputs.

        The metadata is what stands in the `parameters` of its configuration: Triton hands on nothing of the
        model's own file. UserError if no class names are among it.
        """
        told = self._ask(self._client.get_model_metadata, self.model)
        config = self._ask(self._client.get_model_config, self.model).config
        metadata = {key: value.string_value for key, value in config.parameters.items()}
        if metadata.keys().isdisjoint({"class_names", "names"}):
            raise UserError(
                f"expected class names in the parameters of {self.url}, found none; "
                "`run_aimbot.py convert triton` writes a model with them"
            )
        signature = Signature(_read_tensors(told.inputs), _read_tensors(told.outputs), metadata)
        return signature, [tensor.name for tensor in told.inputs], [tensor.name for tensor in told.outputs]

    def infer(
        self, given: InferInput, wanted: list[InferRequestedOutput], timeout_s: float | None = None
    ) -> Any:
        """Run the model once; `timeout_s` in place of the usual one."""
        return self._ask(
            self._client.infer, self.model, [given], outputs=wanted, timeout_s=timeout_s or self.timeout_s
        )

    def share(self, arrays: SharedArrays) -> bool:
        """Have the server map the arrays; False if it cannot, being elsewhere, or may not."""
        try:
            self._client.register_system_shared_memory(
                arrays.key, arrays.key, arrays.size, client_timeout=self.timeout_s
            )
        except InferenceServerException:
            return False
        finally:
            arrays.unlink()
        return True

    def close(self, shared: SharedArrays | None = None) -> None:
        """Hang up, after the server has let go of what it shares, if it still can."""
        if shared is not None:
            for _ in range(2):  # a busy server may not answer in time; else it keeps the memory
                with suppress(InferenceServerException):
                    self._client.unregister_system_shared_memory(shared.key, client_timeout=self.timeout_s)
                    break
        self._client.close()

    def _ask(
        self, call: Callable[..., Any], *arguments: Any, timeout_s: float | None = None, **options: Any
    ) -> Any:
        timeout_s = timeout_s or self.timeout_s
        try:
            return call(*arguments, client_timeout=timeout_s, **options)
        except InferenceServerException as error:
            raise self._explain(error, timeout_s) from error

    def _explain(self, error: InferenceServerException, timeout_s: float) -> UserError:
        told = " ".join(str(error.message()).split())
        match error.status():
            case "StatusCode.DEADLINE_EXCEEDED":
                return UserError(
                    f"expected {self.url} to answer within {timeout_s:g} s, got no answer; "
                    "look whether that computer is busy or the network slow"
                )
            case "StatusCode.UNAVAILABLE":
                return UserError(
                    f"expected a Triton server at {self.address}, got: {told}; docs/triton.md starts one"
                )
        return UserError(f"expected {self.url} to take its input, the server says: {told}")


def parse_url(url: str) -> tuple[str, str]:
    """The address with its port, 8001 unless told, and the model; UserError if it is no such URL."""
    try:
        parts = urlsplit(url)
        host, port, model = parts.hostname, parts.port or PORT, parts.path.strip("/")
    except ValueError:  # a port that is none
        host = model = None
    if not host or not model or "/" in model or parts.scheme != "triton":
        raise UserError(f"expected triton://HOST[:PORT]/MODEL, got {url}")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", model


def _read_tensors(told: Iterable[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            TYPES.get(tensor.datatype, tensor.datatype.lower()),
            tuple(None if size < 0 else int(size) for size in tensor.shape),
        )
        for tensor in told
    )
