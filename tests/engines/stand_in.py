"""A stand-in for a server of Milvus: milvus-lite, asked as only a server is asked.

It has half-precision vectors, takes parameters and refuses values that stand in the text of a filter, gives
no more rows at once than a server, and says that it is one. Run as a program, it says its port and ends with
its input.
"""

from __future__ import annotations

import json
import re
import sys
from concurrent import futures
from typing import Any

import grpc
import numpy as np
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

HALF, SINGLE = 102, 101  # kinds of vectors, also of queries
MOST_ROWS = 16_384
_VALUE = re.compile(r"[\"']|(?<![\w{])-?\d")


class StandIn(MilvusServicer):  # type: ignore[misc]
    """See the module. Every answer is that of milvus-lite."""

    def GetVersion(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version="2.6.16")

    def CreateCollection(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        schema = schema_pb2.CollectionSchema()
        schema.ParseFromString(request.schema)
        for field in schema.fields:
            if field.data_type == HALF:
                field.data_type = SINGLE
                schema.description = "half"
        HALVES.update({request.collection_name} if schema.description else ())
        request.schema = schema.SerializeToString()
        return super().CreateCollection(request, context)

    def DescribeCollection(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        found = super().DescribeCollection(request, context)
        for field in found.schema.fields:
            if field.data_type == SINGLE and request.collection_name in HALVES:
                field.data_type = HALF
        return found

    def Upsert(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        for field in request.fields_data:
            if field.type == HALF:
                wide = np.frombuffer(field.vectors.float16_vector, dtype=np.float16).astype(np.float32)
                field.type = SINGLE
                field.vectors.float_vector.data.extend(wide.tolist())
        return super().Upsert(request, context)

    def Query(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        request.expr = filled(request.expr, request.expr_template_values)
        found = super().Query(request, context)
        for field in found.fields_data:
            if field.type == SINGLE and request.collection_name in HALVES:
                half = np.array(field.vectors.float_vector.data, dtype=np.float32).astype(np.float16)
                field.type = HALF
                field.vectors.float16_vector = half.tobytes()
            assert len(field.valid_data) <= MOST_ROWS
        return found

    def Search(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        request.dsl = filled(request.dsl, request.expr_template_values)
        group = common_pb2.PlaceholderGroup()
        group.ParseFromString(request.placeholder_group)
        for one in group.placeholders:
            assert one.type == HALF
            wide = [
                np.frombuffer(value, dtype=np.float16).astype(np.float32).tobytes() for value in one.values
            ]
            one.type = SINGLE
            del one.values[:]
            one.values.extend(wide)
        request.placeholder_group = group.SerializeToString()
        return super().Search(request, context)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        request.expr = filled(request.expr, request.expr_template_values)
        return super().Delete(request, context)


HALVES: set[str] = set()


def filled(text: str, given: Any) -> str:  # noqa: ANN401
    """A filter with its parameters; refused where a value stands in it."""
    if _VALUE.search(text):
        raise ValueError(f"a value stands in {text}")
    return re.sub(r"\{(\w+)\}", lambda found: written(given[found[1]]), text)


def written(value: Any) -> str:  # noqa: ANN401
    """A parameter as milvus-lite reads it."""
    kind = value.WhichOneof("val")
    if kind == "array_val":
        listed = value.array_val
        return json.dumps([*getattr(listed, listed.WhichOneof("data")).data], ensure_ascii=False)
    return json.dumps(getattr(value, kind), ensure_ascii=False)


def main() -> None:
    """Serve a folder until the input ends."""
    db = MilvusLite(sys.argv[1])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(StandIn(db), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(grace=0)
    db.close()


if __name__ == "__main__":
    main()
