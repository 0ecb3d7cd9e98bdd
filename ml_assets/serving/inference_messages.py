"""Messages of the Open Inference Protocol over gRPC, made when they are first needed.

They are those of the public `open_inference_grpc.proto`: the same package, names, numbers and types,
so that clients made from it fit. They live in a pool of their own, beside those of any client in
the same program, and need no compiler at installation.

Source:
    https://github.com/kserve/open-inference-protocol, specification/protocol/open_inference_grpc.proto;
    the last two of `InferParameter` are Triton's.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
FILE = "open_inference_grpc.proto"

Fields = Mapping[str, str]

MODEL: Fields = {"name": "string 1", "version": "string 2"}
TENSOR: Fields = {
    "name": "string 1",
    "datatype": "string 2",
    "shape": "repeated int64 3",
    "parameters": "map InferParameter 4",
    "contents": "InferTensorContents 5",
}

MESSAGES: Mapping[str, Fields] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": "bool 1"},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": "bool 1"},
    "ModelReadyRequest": MODEL,
    "ModelReadyResponse": {"ready": "bool 1"},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {
        "name": "string 1",
        "version": "string 2",
        "extensions": "repeated string 3",
    },
    "ModelMetadataRequest": MODEL,
    "ModelMetadataResponse": {
        "name": "string 1",
        "versions": "repeated string 2",
        "platform": "string 3",
        "inputs": "repeated ModelMetadataResponse.TensorMetadata 4",
        "outputs": "repeated ModelMetadataResponse.TensorMetadata 5",
    },
    "ModelMetadataResponse.TensorMetadata": {
        "name": "string 1",
        "datatype": "string 2",
        "shape": "repeated int64 3",
    },
    "ModelInferRequest": {
        "model_name": "string 1",
        "model_version": "string 2",
        "id": "string 3",
        "parameters": "map InferParameter 4",
        "inputs": "repeated ModelInferRequest.InferInputTensor 5",
        "outputs": "repeated ModelInferRequest.InferRequestedOutputTensor 6",
        "raw_input_contents": "repeated bytes 7",
    },
    "ModelInferRequest.InferInputTensor": TENSOR,
    "ModelInferRequest.InferRequestedOutputTensor": {
        "name": "string 1",
        "parameters": "map InferParameter 2",
    },
    "ModelInferResponse": {
        "model_name": "string 1",
        "model_version": "string 2",
        "id": "string 3",
        "parameters": "map InferParameter 4",
        "outputs": "repeated ModelInferResponse.InferOutputTensor 5",
        "raw_output_contents": "repeated bytes 6",
    },
    "ModelInferResponse.InferOutputTensor": TENSOR,
    "InferParameter": {
        "bool_param": "oneof bool 1",
        "int64_param": "oneof int64 2",
        "string_param": "oneof string 3",
        "double_param": "oneof double 4",
        "uint64_param": "oneof uint64 5",
    },
    "InferTensorContents": {
        "bool_contents": "repeated bool 1",
        "int_contents": "repeated int32 2",
        "int64_contents": "repeated int64 3",
        "uint_contents": "repeated uint32 4",
        "uint64_contents": "repeated uint64 5",
        "fp32_contents": "repeated float 6",
        "fp64_contents": "repeated double 7",
        "bytes_contents": "repeated bytes 8",
    },
}
"""Message to its fields, each with its label, its type and its number; a map is by text."""

ENTRY: Fields = {"key": "string 1", "value": "InferParameter 2"}


@cache
def message_types() -> Mapping[str, Any]:
    """Class of every message, by its name within the package."""
    pool = DescriptorPool()
    pool.Add(_file())
    found = GetMessageClassesForFiles([FILE], pool)
    return {name.removeprefix(f"{PACKAGE}."): kind for name, kind in found.items()}


def _file() -> FileDescriptorProto:
    outer = {name: _message(name, fields) for name, fields in MESSAGES.items()}
    for name, message in outer.items():
        parent, _, inner = name.rpartition(".")
        if parent:
            message.name = inner
            outer[parent].nested_type.append(message)
    whole = [message for name, message in outer.items() if "." not in name]
    return FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3", message_type=whole)


def _message(name: str, fields: Fields) -> DescriptorProto:
    message = DescriptorProto(name=name, field=list(_fields(name, fields)))
    if any(words.startswith("map") for words in fields.values()):
        entry = message.nested_type.add(name="ParametersEntry", field=_fields(name, ENTRY))
        entry.options.map_entry = True
    if any(words.startswith("oneof") for words in fields.values()):
        message.oneof_decl.add(name="parameter_choice")
    return message


def _fields(message: str, fields: Fields) -> Iterator[FieldDescriptorProto]:
    for name, words in fields.items():
        *label, kind, number = words.split()
        field = FieldDescriptorProto(name=name, number=int(number))
        field.label = (
            field.LABEL_REPEATED if label in (["repeated"], ["map"]) else field.LABEL_OPTIONAL
        )
        if label == ["oneof"]:
            field.oneof_index = 0
        if label == ["map"]:
            kind = f"{message}.ParametersEntry"
        if kind[0].isupper():
            field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
        else:
            field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        yield field
