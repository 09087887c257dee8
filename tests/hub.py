"""A Hugging Face hub on loopback with one repository, and weights shaped like ViTMSN's, made without transformers."""

import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch
from safetensors.torch import save

from core.encoders.vit import Architecture

SMALL = Architecture(input_size=32, patch_size=16, dim=64, depth=2, heads=1)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LEGACY = (  # timm's names to those of the hub's files
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^blocks\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"^blocks\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layer.\1.intermediate.dense."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layer.\1.output.dense."),
    (r"^norm\.", "layernorm."),
)


def vit_msn(shape=SMALL, *, seed=0):
    """Return the content of `config.json` and `model.safetensors` of a ViTMSN with random weights."""
    torch.manual_seed(seed)
    tensors = {}
    for name, tensor in shape.build().state_dict().items():
        if found := re.match(r"blocks\.(\d+)\.attn\.qkv\.(\w+)", name):
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                tensors[f"encoder.layer.{found[1]}.attention.attention.{part}.{found[2]}"] = piece.contiguous()
            continue
        for pattern, legacy in LEGACY:
            name = re.sub(pattern, legacy, name)
        tensors[name] = tensor
    config = {
        "model_type": "vit_msn",
        "hidden_size": shape.dim,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "image_size": shape.input_size,
        "patch_size": shape.patch_size,
    }
    return {"config.json": json.dumps(config).encode(), "model.safetensors": save(tensors)}


class FakeHub:
    """Serves the files of one repository as the hub does; counts what it is asked for."""

    def __init__(self, files):
        self.files = dict(files)
        self.asked = []  # (method, file name)
        self.cuts = False  # closes the connection half-way through each file of weights
        self.alters = False  # one byte of the weights is not the one whose hash it names
        self.agents = set()  # what the client told of itself
        self.url = ""

    @property
    def fetched(self):
        """Return the names of the files that were fetched, in order."""
        return [name for method, name in self.asked if method == "GET"]


@contextlib.contextmanager
def serving(files):
    """Serve a fake hub at `hub.url` while the block runs."""
    hub = FakeHub(files)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            name = self._answer()
            if name is None:
                return
            body = hub.files[name]
            if hub.cuts and name != "config.json":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif hub.alters and name != "config.json":
                self.wfile.write(body[:-1] + bytes([body[-1] ^ 1]))
            else:
                self.wfile.write(body)

        def _answer(self):
            name = self.path.rpartition("/")[2]
            hub.asked.append((self.command, name))
            if name not in hub.files:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            self.send_response(200)
            hub.agents.add(self.headers["User-Agent"])
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(hub.files[name]).hexdigest()}"')
            self.send_header("Content-Length", str(len(hub.files[name])))
            self.end_headers()
            return name

        def log_message(self, *_args):
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
