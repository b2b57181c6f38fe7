"""Prints what the classes of Huawei Cloud's SDK say of the answers of KMS, as JSON, in the form in which aws.py tells of AWS's.

An operation is named by its method and path, as `POST /v1.0/{project_id}/kms/create-key`.
"""

import json
import sys

from huaweicloudsdkkms import v2

SCALARS = {"str": "string", "int": "integer", "bool": "boolean", "object": "any", "datetime": "string", "float": "double"}
shapes = {}


class NoRequest:
    """Stands for any request: only the operation's path and the type of its answer are read."""

    attribute_map = {}

    def __getattr__(self, name):
        return None


def shape(kind):
    """The name of the shape for a type as the SDK writes it."""
    if kind in shapes:
        return kind
    if kind in SCALARS:
        shapes[kind] = {"type": SCALARS[kind]}
    elif kind.startswith("list["):
        shapes[kind] = {"type": "list", "member": shape(kind[5:-1])}
    elif kind.startswith("dict("):
        shapes[kind] = {"type": "map", "member": shape(kind[5:-1].split(", ")[1])}
    else:
        described = getattr(v2, kind)
        shapes[kind] = told = {"type": "structure", "members": {}}
        for name, member in described.openapi_types.items():
            told["members"][described.attribute_map[name]] = shape(member)
    return kind


def output(kind):
    described = getattr(v2, kind)
    # An answer that is no object is the one member of its class.
    if list(described.openapi_types) == ["body"]:
        return shape(described.openapi_types["body"])
    return shape(kind)


operations = {}
for name in dir(v2.KmsClient):
    if name.startswith("_") and name.endswith("_http_info"):
        told = getattr(v2.KmsClient, name)(NoRequest())
        operations[f"{told['method']} {told['resource_path']}"] = {"output": output(told["response_type"]), "errors": {}}
json.dump({"huawei": {"operations": operations, "shapes": shapes}}, sys.stdout)
