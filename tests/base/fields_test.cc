// Values as bytes and back; readers of hostile bytes.
#include "engine/base/fields.h"

#include <gtest/gtest.h>

#include "engine/base/crc32c.h"
#include "engine/base/tensor.h"

namespace quadlane {
namespace {

struct Everything {
  int32_t number = 0;
  std::string name;
  std::vector<TensorType> types;
  std::optional<double> maybe;
  DType dtype = DType::f32;
  bool flag = false;
  int16_t pair[2] = {};
  KernelFn kernel = nullptr;
  static constexpr auto kFields =
      std::tuple{&Everything::number, &Everything::name, &Everything::types, &Everything::maybe,
                 &Everything::dtype,  &Everything::flag, &Everything::pair,  &Everything::kernel};
};
struct Forgets {
  int32_t a, b;
  static constexpr auto kFields = std::tuple{&Forgets::a};
};
struct Swaps {
  int8_t a;
  int64_t b;
  int8_t c;
  static constexpr auto kFields = std::tuple{&Swaps::a, &Swaps::c, &Swaps::b};
};
static_assert(fields_are_complete<Everything>() && !fields_are_complete<Forgets>() && !fields_are_complete<Swaps>());
static_assert(layout_id<Everything>() != layout_id<Forgets>());

void some_kernel(const void*) {}

std::vector<std::byte> bytes_of(const Everything& value) {
  FieldWriter w({{some_kernel, 0}});
  w.write(value);
  return w.bytes();
}

Everything example() {
  return {-7, "name", {{DType::u8, {1, 2}}, {DType::f32, {}}}, 2.5, DType::s64, true, {3, -4}, some_kernel};
}

TEST(Fields, ComeBack) {
  const KernelFn kernels[] = {some_kernel};
  const auto bytes = bytes_of(example());
  FieldReader r(bytes, kernels);
  const auto back = r.get<Everything>();
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.left(), 0u);
  EXPECT_EQ(back.number, -7);
  EXPECT_EQ(back.name, "name");
  EXPECT_EQ(back.types, example().types);
  EXPECT_EQ(back.maybe, 2.5);
  EXPECT_EQ(back.dtype, DType::s64);
  EXPECT_TRUE(back.flag);
  EXPECT_EQ(back.pair[1], -4);
  EXPECT_EQ(back.kernel, some_kernel);
}

TEST(Fields, EveryTruncationIsAnError) {
  const KernelFn kernels[] = {some_kernel};
  const auto bytes = bytes_of(example());
  for (size_t n = 0; n < bytes.size(); ++n) {
    FieldReader r({bytes.data(), n}, kernels);
    (void)r.get<Everything>();
    EXPECT_FALSE(r.ok()) << n << " of " << bytes.size() << " bytes";
  }
}

TEST(Fields, NothingIsBelieved) {
  auto error = [](std::vector<uint8_t> bytes, auto value) {
    FieldReader r(std::as_bytes(std::span<const uint8_t>(bytes)));
    r.read(value);
    return r.ok() ? "no error" : std::move(r).status().error().text();
  };
  EXPECT_EQ(error({2}, false), "a truth value of value 2, expected less than 2");
  EXPECT_EQ(error({200}, DType::f32), "an enumeration of value 200, expected less than 12");
  EXPECT_EQ(error({255, 255, 255, 255, 255, 255, 255, 255, 0}, std::vector<int64_t>()),
            "a list of 18446744073709551615 items where 1 bytes are left");
  EXPECT_EQ(error({9, 0, 0, 0}, KernelFn()), "kernel 9 of 0");
}

TEST(Crc32c, KnownAnswerAndEveryBit) {
  std::vector<std::byte> digits;
  for (char c : std::string("123456789")) digits.push_back(static_cast<std::byte>(c));
  EXPECT_EQ(crc32c(digits), 0xe3069283u);
  for (size_t bit = 0; bit < digits.size() * 8; ++bit) {
    auto flipped = digits;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_NE(crc32c(flipped), 0xe3069283u);
  }
}

}  // namespace
}  // namespace quadlane
