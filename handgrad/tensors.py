"""Safetensors files that are the same whenever their content is."""

import json
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import safetensors.numpy


def packed(arrays: dict[str, npt.NDArray[Any]], metadata: dict[str, str]) -> bytes:
    """The file, with its metadata in this order: the library shuffles them, and every call would give another file."""
    content = safetensors.numpy.save(arrays, metadata)
    end = 8 + int.from_bytes(content[:8], "little")
    header: Mapping[str, Any] = {**json.loads(content[8:end]), "__metadata__": metadata}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]
