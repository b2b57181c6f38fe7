"""Prints what botocore's model says of the answers of KMS and STS, as JSON: operations with output and errors, and shapes. $1 is where botocore lies."""

import gzip
import json
import pathlib
import sys

data = pathlib.Path(sys.argv[1]) / "botocore" / "data"


def service(path):
    model = json.loads(gzip.decompress((data / path).read_bytes()))
    shapes = model["shapes"]

    def shape(described):
        told = {"type": described["type"]}
        for name in ("required", "enum", "min", "max"):
            if name in described:
                told[name] = described[name]
        if described["type"] == "structure":
            told["members"] = {name: member["shape"] for name, member in described["members"].items()}
        elif described["type"] == "list":
            told["member"] = described["member"]["shape"]
        elif described["type"] == "map":
            told["member"] = described["value"]["shape"]
        return told

    def errors(operation):
        for error in operation.get("errors", []):
            described = shapes[error["shape"]]
            wire = described.get("error", {})
            status = wire.get("httpStatusCode", 500 if described.get("fault") else 400)
            yield wire.get("code", error["shape"]), {"status": status, "shape": error["shape"]}

    def operation(described):
        return {"output": described.get("output", {}).get("shape"), "errors": dict(errors(described))}

    return {
        "operations": {name: operation(described) for name, described in model["operations"].items()},
        "shapes": {name: shape(described) for name, described in shapes.items()},
    }


json.dump({"kms": service("kms/2014-11-01/service-2.json.gz"), "sts": service("sts/2011-06-15/service-2.json.gz")}, sys.stdout)
