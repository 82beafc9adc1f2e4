"""Writes an ONNX graph node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.neural.quantize import ACTIVATION_LEVELS, ACTIVATION_ZERO, QuantizedMatrix

OPSET = 21
IR_VERSION = 10


class GraphBuilder:
    """Nodes and constants as they accumulate; every name is unique.

    Args:
        scope: what names begin with; a body's must differ from those of the graph around it.
    """

    def __init__(self, scope: str = "") -> None:
        self._scope = scope
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: NDArray[np.generic]) -> str:
        """A constant's name."""
        name = self._name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        """Names of the results of one operator."""
        names = [self._name(operator) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def one(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """As `node`, for operators with one result."""
        return self.node(operator, *inputs, **attributes)[0]

    def name_output(self, value: str, name: str) -> None:
        """Gives a value the name under which a caller asks for it."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def zero(self) -> str:
        """The zero point of activations."""
        return self.constant(np.array(ACTIVATION_ZERO, np.uint8))

    def quantize_bounded(self, values: str) -> tuple[str, str]:
        """Values that lie in [-1, 1], so that their scale is known beforehand; and that scale."""
        scale = self.constant(np.array(1 / ACTIVATION_LEVELS, np.float32))
        return self.one("QuantizeLinear", values, scale, self.zero()), scale

    def quantize_each_row(self, values: str) -> tuple[str, str]:
        """Rows (N, width), each with a scale of its own (N, 1)."""
        largest = self.one("ReduceMax", self.one("Abs", values), self.constant(np.array([-1])), keepdims=1)
        floor = self.constant(np.array(1e-9, np.float32))
        levels = self.constant(np.array(1 / ACTIVATION_LEVELS, np.float32))
        scales = self.one("Mul", self.one("Max", largest, floor), levels)
        one = self.constant(np.array(1, np.float32))
        return self.one("QuantizeLinear", self.one("Div", values, scales), one, self.zero()), scales

    def integer_product(self, values: str, row_scales: str, matrix: QuantizedMatrix) -> str:
        """`values @ matrix` of quantised values, back in float32."""
        product = self.one("MatMulInteger", values, self.constant(matrix.values), self.zero())
        scaled = self.one("Mul", self.one("Cast", product, to=TensorProto.FLOAT), row_scales)
        return self.one("Mul", scaled, self.constant(matrix.scales))

    def body(self, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.GraphProto:
        """The graph as a part of another."""
        return helper.make_graph(self.nodes, name, inputs, outputs, self.constants)

    def model(self, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> bytes:
        """The graph as a file's content."""
        model = helper.make_model(
            self.body(name, inputs, outputs),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="autocomplete",
        )
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{self._scope}{stem}_{self._count}"


def float_tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    """Describes a float32 input or output."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def int64_tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    """Describes an int64 input or output."""
    return helper.make_tensor_value_info(name, TensorProto.INT64, shape)
