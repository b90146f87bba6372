// Every encoding of a tensor in a file, and every way its size can be wrong.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "graph/text.h"
#include "loader/save.h"
#include "tests/loader/model_builder.h"

namespace quadlane::testing {
namespace {

using onnx::TensorProto;

// The initializer as the loaded graph holds it.
Result<Tensor> loaded(const TensorProto& proto, const LoadOptions& options = {}) {
  ModelBuilder b;
  *b.graph().add_initializer() = proto;
  b.graph().mutable_initializer(0)->set_name("w");
  b.output("w");
  QL_TRY(Graph graph, b.load(options));
  return *graph.constant(graph.outputs()[0]);
}
std::string error_of(const TensorProto& proto) {
  auto t = loaded(proto);
  return t.ok() ? std::string() : t.error().text();
}

TensorProto typed(int type, std::vector<int64_t> shape) {
  TensorProto t;
  t.set_data_type(type);
  for (int64_t extent : shape) t.add_dims(extent);
  return t;
}

template <class T>
void expect_raw(int type, const std::vector<T>& values) {
  auto t = loaded(tensor_proto(type, {static_cast<int64_t>(values.size())}, values));
  ASSERT_TRUE(t.ok()) << t.error().text();
  ASSERT_EQ(t->dtype(), dtype_of<T>());
  EXPECT_EQ(std::memcmp(t->data(), values.data(), values.size() * sizeof(T)), 0);
}

TEST(Initializer, RawDataOfEveryType) {
  expect_raw<float>(TensorProto::FLOAT, {1.5f, -0.0f, std::numeric_limits<float>::infinity()});
  expect_raw<double>(TensorProto::DOUBLE, {1e300, -2.5});
  expect_raw<uint8_t>(TensorProto::UINT8, {0, 255});
  expect_raw<int8_t>(TensorProto::INT8, {-128, 127});
  expect_raw<uint16_t>(TensorProto::UINT16, {0, 65535});
  expect_raw<int16_t>(TensorProto::INT16, {-32768, 32767});
  expect_raw<int32_t>(TensorProto::INT32, {INT32_MIN, INT32_MAX});
  expect_raw<uint32_t>(TensorProto::UINT32, {0, UINT32_MAX});
  expect_raw<int64_t>(TensorProto::INT64, {INT64_MIN, INT64_MAX});
  expect_raw<uint64_t>(TensorProto::UINT64, {0, UINT64_MAX});
}

TEST(Initializer, BooleanBytesAreNormalized) {
  auto t = loaded(tensor_proto<uint8_t>(TensorProto::BOOL, {3}, {0, 1, 7}));
  ASSERT_TRUE(t.ok()) << t.error().text();
  const auto* bytes = t->as<uint8_t>();
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[1], 1);
  EXPECT_EQ(bytes[2], 1);
}

// Two elements to a byte, the first in the low bits; as bytes behind an operator that reads them.
TEST(Initializer, FourBits) {
  constexpr int kUint4 = 21, kInt4 = 22;
  const std::vector<uint8_t> packed{0x8f, 0x70, 0xa1};  // 15, 8, 0, 7, 1
  for (int type : {kUint4, kInt4})
    for (bool raw : {true, false}) {
      TensorProto w = raw ? tensor_proto(type, {5}, packed) : typed(type, {5});
      if (!raw) w.mutable_int32_data()->Assign(packed.begin(), packed.end());
      w.set_name("w");
      ModelBuilder b;
      *b.graph().add_initializer() = w;
      b.node("Cast", {"w"}, {"y"}, {attribute("to", int64_t{TensorProto::INT32})}).output("y");
      auto graph = b.load();
      ASSERT_TRUE(graph.ok()) << graph.error().text();
      const bool is_signed = type == kInt4;
      const std::vector<int64_t> wanted{is_signed ? -1 : 15, is_signed ? -8 : 8, 0, 7, 1};
      EXPECT_EQ(to_ints(graph->constant(graph->outputs()[0])->view()), wanted);
    }
  EXPECT_EQ(error_of(tensor_proto(kInt4, {5}, std::vector<uint8_t>{1, 2})),
            "initializer 'w': 2 bytes of raw data, its shape [5] needs 3");
  TensorProto wide = typed(kUint4, {2});
  wide.add_int32_data(256);
  EXPECT_EQ(error_of(wide), "initializer 'w': element 0 of the packed data is 256, expected 8 bits");
  wide.add_int32_data(1);
  EXPECT_EQ(error_of(wide), "initializer 'w': 2 elements of typed data, its shape [2] needs 1");
  EXPECT_EQ(error_of(typed(kInt4, {int64_t{1} << 30, int64_t{1} << 30})),
            error_of(typed(TensorProto::INT8, {int64_t{1} << 30, int64_t{1} << 30})));
  const TensorProto good = tensor_proto(kInt4, {5}, packed);
  EXPECT_EQ(error_of(good), "output 'w' has 4-bit elements");
  ModelBuilder added;
  *added.graph().add_initializer() = good;
  added.graph().mutable_initializer(0)->set_name("w");
  added.node("Add", {"w", "w"}, {"y"}, {}, "sum").output("y");
  EXPECT_EQ(added.error(), "node 'sum' (Add): takes no 4-bit elements");
}

template <class T, class Add>
void expect_typed(int type, const std::vector<T>& values, Add add) {
  TensorProto proto = typed(type, {static_cast<int64_t>(values.size())});
  for (T v : values) add(proto, v);
  auto t = loaded(proto);
  ASSERT_TRUE(t.ok()) << t.error().text();
  ASSERT_EQ(t->dtype(), dtype_of<T>());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(t->as<T>()[i], values[i]) << to_string(t->dtype());
}

TEST(Initializer, TypedFieldsOfEveryType) {
  auto int32 = [](TensorProto& p, auto v) { p.add_int32_data(v); };
  auto uint64 = [](TensorProto& p, auto v) { p.add_uint64_data(v); };
  expect_typed<float>(TensorProto::FLOAT, {1.5f, -3}, [](TensorProto& p, float v) { p.add_float_data(v); });
  expect_typed<double>(TensorProto::DOUBLE, {1e300}, [](TensorProto& p, double v) { p.add_double_data(v); });
  expect_typed<int64_t>(TensorProto::INT64, {INT64_MIN, 7}, [](TensorProto& p, int64_t v) { p.add_int64_data(v); });
  expect_typed<int32_t>(TensorProto::INT32, {INT32_MIN, 7}, int32);
  expect_typed<int16_t>(TensorProto::INT16, {-32768, 7}, int32);
  expect_typed<int8_t>(TensorProto::INT8, {-128, 127}, int32);
  expect_typed<uint16_t>(TensorProto::UINT16, {65535, 7}, int32);
  expect_typed<uint8_t>(TensorProto::UINT8, {255, 7}, int32);
  expect_typed<bool>(TensorProto::BOOL, {true, false}, int32);
  expect_typed<uint64_t>(TensorProto::UINT64, {UINT64_MAX, 7}, uint64);
  expect_typed<uint32_t>(TensorProto::UINT32, {UINT32_MAX, 7}, uint64);
}

TEST(Initializer, HalfIsWidenedOrKept) {
  std::vector<uint16_t> bits = {0x3c00, 0xc000, 0x0001};  // 1, -2, 2^-24
  auto wide = loaded(tensor_proto(TensorProto::FLOAT16, {3}, bits));
  ASSERT_TRUE(wide.ok()) << wide.error().text();
  ASSERT_EQ(wide->dtype(), DType::f32);
  EXPECT_EQ(wide->as<float>()[0], 1.0f);
  EXPECT_EQ(wide->as<float>()[1], -2.0f);
  EXPECT_EQ(wide->as<float>()[2], 0x1p-24f);
  LoadOptions keep;
  keep.widen_half = false;
  auto kept = loaded(tensor_proto(TensorProto::FLOAT16, {3}, bits), keep);
  ASSERT_TRUE(kept.ok()) << kept.error().text();
  ASSERT_EQ(kept->dtype(), DType::f16);
  EXPECT_EQ(kept->as<Half>()[1].bits, 0xc000);
  TensorProto in_field = typed(TensorProto::FLOAT16, {1});
  in_field.add_int32_data(0xc000);
  auto field = loaded(in_field);
  ASSERT_TRUE(field.ok()) << field.error().text();
  EXPECT_EQ(field->as<float>()[0], -2.0f);
}

TEST(Initializer, BrainFloatIsWidenedOnly) {
  auto proto = tensor_proto<uint16_t>(TensorProto::BFLOAT16, {2}, {0x3f80, 0xc049});
  auto wide = loaded(proto);
  ASSERT_TRUE(wide.ok()) << wide.error().text();
  EXPECT_EQ(wide->as<float>()[0], 1.0f);
  EXPECT_EQ(wide->as<float>()[1], -3.140625f);
  LoadOptions keep;
  keep.widen_half = false;
  auto kept = loaded(proto, keep);
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(kept.error().text(), "initializer 'w': element type bfloat16 is not supported");
}

TEST(Initializer, ScalarsAndEmptyTensors) {
  auto scalar = loaded(tensor_proto<float>(TensorProto::FLOAT, {}, {5}));
  ASSERT_TRUE(scalar.ok()) << scalar.error().text();
  EXPECT_EQ(scalar->shape(), Shape{});
  EXPECT_EQ(scalar->as<float>()[0], 5.0f);
  auto empty = loaded(typed(TensorProto::FLOAT, {0, 1000000}));
  ASSERT_TRUE(empty.ok()) << empty.error().text();
  EXPECT_EQ(empty->count(), 0);
}

TEST(Initializer, WrongSizesAreRefused) {
  EXPECT_EQ(error_of(tensor_proto<float>(TensorProto::FLOAT, {16, 3, 3, 3}, std::vector<float>(36))),
            "initializer 'w': 144 bytes of raw data, its shape [16,3,3,3] needs 1728");
  TensorProto few = typed(TensorProto::FLOAT, {3});
  few.add_float_data(1);
  EXPECT_EQ(error_of(few), "initializer 'w': 1 elements of typed data, its shape [3] needs 3");
  TensorProto other = typed(TensorProto::FLOAT, {1});
  other.add_int64_data(1);
  EXPECT_EQ(error_of(other), "initializer 'w': 1 elements of typed data (0 in float_data), its shape [1] needs 1");
  TensorProto both = tensor_proto<float>(TensorProto::FLOAT, {1}, {1});
  both.add_float_data(1);
  EXPECT_EQ(error_of(both), "initializer 'w': has raw data and typed data");
  EXPECT_EQ(error_of(typed(TensorProto::FLOAT, {2, -1})), "initializer 'w': negative extent in shape [2,-1]");
  EXPECT_EQ(error_of(typed(TensorProto::FLOAT, {1ll << 40, 1ll << 40})),
            "initializer 'w': shape [1099511627776,1099511627776] has more than 2147483648 elements");
  EXPECT_EQ(error_of(typed(TensorProto::FLOAT, {1, 1, 1, 1, 1, 1, 1, 1, 1})),
            "initializer 'w': rank 9 exceeds the limit of 8");
}

TEST(Initializer, ValuesThatDoNotFitAreRefused) {
  TensorProto byte = typed(TensorProto::UINT8, {2});
  byte.add_int32_data(255);
  byte.add_int32_data(256);
  EXPECT_EQ(error_of(byte), "initializer 'w': element 1 is 256, which does not fit u8");
  TensorProto half = typed(TensorProto::FLOAT16, {1});
  half.add_int32_data(65536);
  EXPECT_EQ(error_of(half), "initializer 'w': element 0 is 65536, expected 16 bits");
}

TEST(Initializer, TypesWeDoNotHaveAreRefused) {
  EXPECT_EQ(error_of(typed(TensorProto::STRING, {0})), "initializer 'w': element type string is not supported");
  EXPECT_EQ(error_of(typed(17, {0})), "initializer 'w': element type float8e4m3fn is not supported");
  EXPECT_EQ(error_of(typed(23, {0})), "initializer 'w': element type float4e2m1 is not supported");
  EXPECT_EQ(error_of(typed(99, {0})), "initializer 'w': element type number 99 is not supported");
  EXPECT_EQ(error_of(typed(0, {0})), "initializer 'w': element type undefined is not supported");
}

TEST(Initializer, ManyBytesAreCountedBeforeTheyAreAllocated) {
  LoadOptions small;
  small.max_constant_bytes = 16;
  auto t = loaded(tensor_proto<float>(TensorProto::FLOAT, {5}, std::vector<float>(5)), small);
  ASSERT_FALSE(t.ok());
  EXPECT_EQ(t.error().text(), "initializer 'w': needs 20 bytes, 16 are left of the limit");
}

}  // namespace
}  // namespace quadlane::testing
