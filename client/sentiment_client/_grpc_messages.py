"""The two messages of TorchServe's `inference.proto` that a prediction needs.

They are declared here, not generated: generated code is tied to one version of protobuf, and
registers itself globally, where it would collide with another copy in the same program.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "org.pytorch.serve.grpc.inference"
_STRING, _BYTES = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_BYTES

METHOD = f"/{_PACKAGE}.InferenceAPIsService/Predictions"


def _declare() -> tuple[Any, Any]:
    file = FileDescriptorProto(name="inference.proto", package=_PACKAGE, syntax="proto3")
    request = file.message_type.add(name="PredictionsRequest")
    _add(request, "model_name", 1, _STRING)
    _add(request, "model_version", 2, _STRING)
    # In protobuf, a map is a repeated nested message of keys and values, named <Field>Entry.
    entry = request.nested_type.add(name="InputEntry")
    entry.options.map_entry = True
    _add(entry, "key", 1, _STRING)
    _add(entry, "value", 2, _BYTES)
    request.field.add(
        name="input",
        number=3,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.PredictionsRequest.InputEntry",
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    response = file.message_type.add(name="PredictionResponse")
    _add(response, "prediction", 1, _BYTES)
    pool = DescriptorPool()
    pool.Add(file)
    return tuple(
        GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}"))
        for message in (request, response)
    )


def _add(message: DescriptorProto, name: str, number: int, kind: int) -> None:
    label = FieldDescriptorProto.LABEL_OPTIONAL
    message.field.add(name=name, number=number, type=kind, label=label)


PredictionsRequest, PredictionResponse = _declare()
