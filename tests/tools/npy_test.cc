#include "tools/io/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/tools/scratch.h"

namespace quadlane::tools {
namespace {

std::string with_header(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int shift = 0; shift < (version == 1 ? 16 : 32); shift += 8)
    bytes += static_cast<char>(header.size() >> shift & 255);
  return bytes + header + data;
}

TEST(Npy, EveryTypeComesBackUnchanged) {
  for (DType dtype : {DType::f32, DType::f64, DType::f16, DType::u8, DType::s8, DType::u16, DType::s16, DType::s32,
                      DType::u32, DType::s64, DType::u64, DType::boolean}) {
    Tensor tensor = *Tensor::allocate({dtype, {2, 3}});
    auto* bytes = static_cast<uint8_t*>(tensor.mutable_data());
    for (size_t i = 0; i < tensor.type().bytes(); ++i)
      bytes[i] = dtype == DType::boolean ? i & 1 : static_cast<uint8_t>(i * 7);
    auto back = parse_npy(format_npy(tensor.view()));
    ASSERT_TRUE(back.ok()) << back.error().text();
    EXPECT_EQ(back->type(), tensor.type());
    EXPECT_EQ(std::memcmp(back->data(), tensor.data(), tensor.type().bytes()), 0) << to_string(dtype);
  }
}

TEST(Npy, ScalarsAndVectorsHaveNumPysShapes) {
  EXPECT_NE(format_npy(Tensor::scalar(1.0f).view()).find("'shape': ()"), std::string::npos);
  EXPECT_NE(format_npy(Tensor::from<float>({3}, std::vector<float>{1, 2, 3}).view()).find("'shape': (3,)"),
            std::string::npos);
  EXPECT_EQ(parse_npy(format_npy(Tensor::scalar(1.0f).view()))->shape(), Shape{});
  EXPECT_EQ(format_npy(Tensor::scalar(1.0f).view()).size() % 64, 4u);  // elements start at a multiple of 64
}

TEST(Npy, ReadsOtherVersionsAndByteOrder) {
  std::string header = "{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n";
  for (int version : {1, 2, 3}) {
    auto tensor = parse_npy(with_header(header, std::string("\x01\x02\xff\xfe", 4), version));
    ASSERT_TRUE(tensor.ok()) << tensor.error().text();
    EXPECT_EQ(tensor->as<int16_t>()[0], 0x0102);
    EXPECT_EQ(tensor->as<int16_t>()[1], -2);
  }
}

TEST(Npy, RefusesHostileHeaders) {
  auto error = [](const std::string& bytes) {
    auto tensor = parse_npy(bytes);
    return tensor.ok() ? std::string("accepted") : tensor.error().text();
  };
  auto of_header = [&](const std::string& header) { return error(with_header(header, std::string(64, '\0'))); };
  EXPECT_NE(error("").find("no .npy file"), std::string::npos);
  EXPECT_NE(error("\x93NUMPY\x01").find("inside its header"), std::string::npos);
  EXPECT_NE(error(with_header("{}", "", 9)).find("version 9"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }").find("fortran"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }").find("'<c8'"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }").find("'|O'"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }").find("number"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }").find("too large"),
            std::string::npos);
  EXPECT_NE(
      of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536, 65536, 65536), }").find("elements"),
      std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 1000), }").find("holds 64"),
            std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }").find("extents"),
            std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'fortran_order': False}").find("lacks"), std::string::npos);
  EXPECT_NE(of_header("{'descr': '<f4', 'evil': 1}").find("'evil'"), std::string::npos);
  EXPECT_NE(of_header("{'descr").find("npy header"), std::string::npos);
}

TEST(Npy, EveryTruncationIsAnError) {
  std::string whole = format_npy(Tensor::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4}).view());
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_npy(whole.substr(0, length)).ok()) << length;
  EXPECT_TRUE(parse_npy(whole).ok());
}

TEST(Npy, NothingHalfWrittenWhereWritingFails) {
  Scratch scratch;
  std::string blocked = scratch.write("file", "text") + "/x.npy";
  EXPECT_FALSE(write_npy(blocked, Tensor::scalar(1.0f).view()).ok());
  EXPECT_EQ(scratch.entries(), 1u);
  std::string path = scratch.path("x.npy");
  ASSERT_TRUE(write_npy(path, Tensor::scalar(2.0f).view()).ok());
  EXPECT_EQ(scratch.entries(), 2u);
  EXPECT_EQ(*read_npy(path)->as<float>(), 2.0f);
}

}  // namespace
}  // namespace quadlane::tools
