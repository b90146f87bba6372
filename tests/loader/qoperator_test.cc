// Integer operators as dequantize, compute, quantize.
#include <gtest/gtest.h>

#include "tests/loader/run_model.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;

// y = clamp(round((sum of (x - 1) * w) * 0.5 * 0.25 * ws / 2) + 3)
TEST(QOperator, QLinearConvBecomesQdq) {
  ModelBuilder b(13);
  b.floats("s", {1}, {0.5f})
      .initializer<uint8_t>("z", {}, {1}, TensorProto::UINT8)
      .node("QuantizeLinear", {"x", "s", "z"}, {"q"});
  b.initializer<int8_t>("w", {2, 1, 1, 1}, {2, -3}, TensorProto::INT8).floats("ws", {2}, {0.25f, 0.5f});
  b.initializer<int8_t>("wz", {2}, {0, 0}, TensorProto::INT8).floats("ys", {}, {0.5f});
  b.initializer<uint8_t>("yz", {}, {3}, TensorProto::UINT8)
      .initializer<int32_t>("bias", {2}, {4, -8}, TensorProto::INT32);
  b.node("QLinearConv", {"q", "s", "z", "w", "ws", "wz", "ys", "yz", "bias"}, {"r"}, {}, "conv");
  b.node("DequantizeLinear", {"r", "ys", "yz"}, {"y"});
  Loaded l = run(b, {1, 1, 1, 2}, {1, 2});
  EXPECT_EQ(l.ops(), (Strings{"QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "DequantizeLinear", "Conv",
                              "QuantizeLinear", "DequantizeLinear"}));
  // x = 1, 2; channel 0: x * 0.5 + 4 * 0.125 = 1, 1.5; channel 1: x * -1.5 - 8 * 0.25 = -3.5, -5: below the range.
  EXPECT_EQ(l.y, (Floats{1, 1.5f, -1.5f, -1.5f}));
}

// A network of ONNX Runtime's integer operators around x in steps of 1, then y = dequantized result.
Floats run_microsoft(ModelBuilder& b, const Shape& shape, Floats x) {
  b.model.add_opset_import()->set_domain("com.microsoft");
  b.model.mutable_opset_import(1)->set_version(1);
  for (auto& node : *b.graph().mutable_node()) node.set_domain("com.microsoft");
  b.floats("one", {}, {1}).floats("half", {1}, {0.5f}).initializer<uint8_t>("z", {}, {10}, TensorProto::UINT8);
  b.node("QuantizeLinear", {"x", "one", "z"}, {"q"}).node("DequantizeLinear", {"r", "half", "z"}, {"y"});
  return run(b, shape, std::move(x)).y;
}

TEST(QOperator, MicrosoftQLinearOperators) {
  ModelBuilder add(13);
  add.node("QLinearAdd", {"q", "one", "z", "q", "one", "z", "half", "z"}, {"r"});
  EXPECT_EQ(run_microsoft(add, {3}, {-3, 0, 50}), (Floats{-5, 0, 100}));  // clamped at (0 - 10) * 0.5
  ModelBuilder pool(13);
  pool.node("QLinearAveragePool", {"q", "one", "z", "half", "z"}, {"r"}, {attribute("kernel_shape", Ints{2})});
  EXPECT_EQ(run_microsoft(pool, {1, 1, 3}, {1, 2, 4}), (Floats{1.5f, 3}));
  ModelBuilder last(13);
  last.node("QLinearGlobalAveragePool", {"q", "one", "z", "half", "z"}, {"r"},
            {attribute("channels_last", int64_t{1})});
  EXPECT_EQ(run_microsoft(last, {1, 2, 2, 3}, {0, 10, 20, 4, 10, 22, 0, 14, 20, 4, 14, 22}), (Floats{2, 12, 21}));
  ModelBuilder windows(13);
  windows.node("QLinearAveragePool", {"q", "one", "z", "half", "z"}, {"r"},
               {attribute("kernel_shape", Ints{2}), attribute("channels_last", int64_t{1})});
  EXPECT_EQ(run_microsoft(windows, {1, 3, 2}, {1, 10, 2, 20, 4, 40}), (Floats{1.5f, 15, 3, 30}));
  ModelBuilder chosen(13);
  chosen.initializer<uint8_t>("c", {3}, {1, 0, 1}, TensorProto::BOOL);
  chosen.node("QLinearWhere", {"c", "q", "one", "z", "q", "half", "z", "half", "z"}, {"r"});
  EXPECT_EQ(run_microsoft(chosen, {3}, {4, 8, 12}), (Floats{4, 4, 12}));
  ModelBuilder joined(13);
  joined.node("QLinearConcat", {"half", "z", "q", "one", "z", "q", "half", "z"}, {"r"},
              {attribute("axis", int64_t{0})});
  EXPECT_EQ(run_microsoft(joined, {2}, {4, 8}), (Floats{4, 8, 2, 4}));
  ModelBuilder gemm(13);
  gemm.initializer<int8_t>("w", {1, 2}, {3, -1}, TensorProto::INT8)
      .initializer<int8_t>("wz", {}, {0}, TensorProto::INT8);
  gemm.initializer<int32_t>("c", {1}, {8}, TensorProto::INT32);
  gemm.node("QGemm", {"q", "one", "z", "w", "half", "wz", "c", "half", "z"}, {"r"}, {attribute("transB", int64_t{1})});
  EXPECT_EQ(run_microsoft(gemm, {1, 2}, {5, 4}), (Floats{9.5f}));  // (3 * 5 - 4 + 8) * 0.5
}

// Of opset 12 over all axes from the given one on, of opset 13 along it; without an axis along the last one.
TEST(QOperator, QLinearSoftmaxOfBothKinds) {
  for (const auto& [opset, axis] : {std::pair{12, 1}, {12, -1}, {13, 1}}) {
    ModelBuilder b(13);
    b.floats("fine", {}, {1.0f / 256}).initializer<uint8_t>("zero", {}, {0}, TensorProto::UINT8);
    std::vector<onnx::AttributeProto> attributes{attribute("opset", int64_t{opset})};
    if (axis >= 0) attributes.push_back(attribute("axis", int64_t{axis}));
    b.node("QLinearSoftmax", {"q", "one", "z", "fine", "zero"}, {"p"}, attributes);
    b.node("QLinearMul", {"p", "fine", "zero", "p", "one", "zero", "half", "z"}, {"r"});  // 256 p^2
    const Floats y = run_microsoft(b, {1, 2, 2}, Floats(4, 1));
    EXPECT_EQ(y, opset == 12 && axis == 1 ? Floats(4, 16) : Floats(4, 64));
  }
}

// x dynamically quantized: 0 .. 255 has scale 1 and zero point 0.
TEST(QOperator, ProductsOfBytesWithFloatResults) {
  auto microsoft = [](ModelBuilder& b) {
    for (auto& node : *b.graph().mutable_node())
      if (node.op_type() == "DynamicQuantizeMatMul" || node.op_type() == "MatMulIntegerToFloat")
        node.set_domain("com.microsoft");
    b.model.add_opset_import()->set_domain("com.microsoft");
    b.model.mutable_opset_import(1)->set_version(1);
  };
  ModelBuilder dynamic(13);
  dynamic.initializer<uint8_t>("w", {3, 2}, {3, 1, 5, 7, 2, 2}, TensorProto::UINT8).floats("ws", {1}, {0.5f});
  dynamic.initializer<uint8_t>("wz", {1}, {2}, TensorProto::UINT8).floats("bias", {2}, {10, 20});
  dynamic.node("DynamicQuantizeMatMul", {"x", "w", "ws", "wz", "bias"}, {"y"});
  microsoft(dynamic);
  EXPECT_EQ(run(dynamic, {1, 3}, {0, 3, 255}).y, (Floats{14.5f, 27.5f}));  // 3 * 3 / 2 + 10, 3 * 5 / 2 + 20
  ModelBuilder product(13);
  product.node("DynamicQuantizeLinear", {"x"}, {"q", "s", "z"});
  product.initializer<int8_t>("w", {2, 1}, {-3, 1}, TensorProto::INT8).floats("ws", {}, {2});
  product.node("MatMulIntegerToFloat", {"q", "w", "s", "ws", "z"}, {"y"});
  microsoft(product);
  EXPECT_EQ(run(product, {1, 2}, {4, 255}).y, (Floats{486}));  // (-12 + 255) * 2
}

}  // namespace
}  // namespace quadlane::testing
