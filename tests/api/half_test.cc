// Models in 16-bit floats run in f32; their callers may give and take either type.
#include <gtest/gtest.h>

#include "engine/api/engine.h"
#include "tests/loader/model_builder.h"

namespace quadlane {
namespace {

using testing::ModelBuilder;

TEST(Half, InputsAndOutputsInEitherType) {
  ModelBuilder b;
  b.input("x", {1, 2, 2, 2}, onnx::TensorProto::FLOAT16);
  b.initializer<uint16_t>("w", {}, {0x3e00}, onnx::TensorProto::FLOAT16);  // 1.5
  b.node("Mul", {"x", "w"}, {"m"}).node("Relu", {"m"}, {"y"}).output("y");
  auto graph = b.load();
  ASSERT_TRUE(graph.ok()) << graph.error().text();
  auto model = Model::from_graph(*graph, {.tune = false});
  ASSERT_TRUE(model.ok()) << model.error().text();
  EXPECT_EQ(model->inputs()[0].type.dtype, DType::f32);
  auto stream = model->open_stream();
  ASSERT_TRUE(stream.ok());
  const std::vector<float> values{-1, 0, 0.5, 1, 2, 3, -4, 100}, wanted{0, 0, 0.75, 1.5, 3, 4.5, 0, 150};
  std::vector<Half> halves;
  for (float v : values) halves.push_back(float_to_half(v));
  const Tensor wide = Tensor::from<float>({1, 2, 2, 2}, values), narrow = Tensor::from<Half>({1, 2, 2, 2}, halves);
  for (const Tensor& x : {wide, narrow})
    for (DType out : {DType::f32, DType::f16}) {
      Tensor y = *Tensor::allocate({out, {1, 2, 2, 2}});
      View in = x.view();
      MutView to = y.mut_view();
      Status s = stream->run({&in, 1}, {&to, 1});
      ASSERT_TRUE(s.ok()) << s.error().text();
      for (int64_t i = 0; i < 8; ++i)
        EXPECT_EQ(element_as_double(y.view(), i), static_cast<double>(wanted[static_cast<size_t>(i)]));
    }
  Tensor other = *Tensor::allocate({DType::f16, {1, 2, 2, 3}});
  View in = other.view();
  Tensor y = *Tensor::allocate({DType::f32, {1, 2, 2, 2}});
  MutView to = y.mut_view();
  EXPECT_FALSE(stream->run({&in, 1}, {&to, 1}).ok());
}

}  // namespace
}  // namespace quadlane
