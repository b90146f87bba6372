#include "tools/io/nifti.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "tests/tools/scratch.h"
#include "tools/io/file.h"
#include "tools/io/gzip.h"

namespace quadlane::tools {
namespace {

// A file under construction, in either byte order.
struct File {
  std::string bytes = std::string(352, '\0');
  bool big_endian = false;

  template <class T>
  void put(size_t at, T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    if (big_endian) std::reverse(raw, raw + sizeof raw);
    bytes.replace(at, sizeof raw, raw, sizeof raw);
  }
  template <class T>
  void append(T value) {
    bytes.append(sizeof value, '\0');
    put(bytes.size() - sizeof value, value);
  }
};

File header(std::vector<int16_t> extents, int16_t type, int16_t bits, bool big_endian = false) {
  File f;
  f.big_endian = big_endian;
  f.put<int32_t>(0, 348);
  f.put<int16_t>(40, static_cast<int16_t>(extents.size()));
  for (size_t i = 0; i < 7; ++i) f.put<int16_t>(42 + 2 * i, i < extents.size() ? extents[i] : int16_t{1});
  f.put<int16_t>(70, type);
  f.put<int16_t>(72, bits);
  const float spacing[] = {1, 1.5f, 2, 8, 0.04f};
  for (size_t i = 0; i < 5; ++i) f.put<float>(76 + 4 * i, spacing[i]);
  f.put<float>(108, 352);
  f.put<uint8_t>(123, 2 | 8);
  f.bytes.replace(344, 4, "n+1\0", 4);
  return f;
}

std::string error_of(const std::string& bytes) {
  Scratch scratch;
  auto image = read_nifti(scratch.write("x.nii", bytes));
  return image.ok() ? "accepted" : image.error().text();
}

template <class T>
void expect_type(int16_t code) {
  for (bool big : {false, true}) {
    Scratch scratch;
    File f = header({3, 2}, code, 8 * sizeof(T), big);
    for (int i = 0; i < 6; ++i) f.append<T>(static_cast<T>(i * 11));
    auto image = read_nifti(scratch.write("x.nii", f.bytes));
    ASSERT_TRUE(image.ok()) << image.error().text();
    EXPECT_EQ(image->swapped, big);
    EXPECT_EQ(image->voxels, (std::vector<float>{0, 11, 22, 33, 44, 55})) << code;
  }
}

TEST(Nifti, ReadsEveryTypeInBothByteOrders) {
  expect_type<uint8_t>(2);
  expect_type<int16_t>(4);
  expect_type<int32_t>(8);
  expect_type<float>(16);
  expect_type<double>(64);
  expect_type<int8_t>(256);
  expect_type<uint16_t>(512);
  expect_type<uint32_t>(768);
  expect_type<int64_t>(1024);
  expect_type<uint64_t>(1280);
}

TEST(Nifti, SlopeScalesAndSlopeZeroDoesNot) {
  for (float slope : {2.0f, 0.0f, std::nanf("")}) {
    Scratch scratch;
    File f = header({2}, 4, 16);
    f.put<float>(112, slope);
    f.put<float>(116, 5);
    f.append<int16_t>(1);
    f.append<int16_t>(-3);
    auto image = read_nifti(scratch.write("x.nii", f.bytes));
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->voxels, slope == 2.0f ? (std::vector<float>{7, -1}) : (std::vector<float>{1, -3}));
  }
}

TEST(Nifti, UnitsBecomeMillimetresAndMilliseconds) {
  Scratch scratch;
  File f = header({1, 1, 1, 2}, 2, 8);
  f.put<uint8_t>(123, 1 | 16);  // metres, milliseconds
  f.bytes += "ab";
  auto image = read_nifti(scratch.write("x.nii", f.bytes));
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->spacing_mm, (std::array<double, 3>{1500, 2000, 8000}));
  EXPECT_FLOAT_EQ(static_cast<float>(image->phase_ms), 0.04f);
}

TEST(Nifti, SkipsExtensionsAndCountsWhatIsNotFinite) {
  Scratch scratch;
  File f = header({2}, 16, 32);
  f.put<float>(108, 368);
  f.bytes[348] = 1;
  f.bytes += std::string(16, 'e');
  f.append<float>(INFINITY);
  f.append<float>(4);
  auto image = read_nifti(scratch.write("x.nii", f.bytes));
  ASSERT_TRUE(image.ok()) << image.error().text();
  EXPECT_EQ(image->voxels, (std::vector<float>{0, 4}));
  EXPECT_EQ(image->not_finite, 1);
}

TEST(Nifti, EveryTruncationIsAnErrorPlainAndCompressed) {
  File f = header({4, 3}, 4, 16);
  for (int i = 0; i < 12; ++i) f.append<int16_t>(static_cast<int16_t>(i * 1000));
  std::string packed = *gzip(f.bytes);
  Scratch scratch;
  for (const std::string& whole : {f.bytes, packed}) {
    ASSERT_TRUE(read_nifti(scratch.write("x", whole)).ok());
    for (size_t length = 0; length < whole.size(); length += length < 340 && whole != packed ? 20 : 1)
      EXPECT_FALSE(read_nifti(scratch.write("x", whole.substr(0, length))).ok()) << length << " of " << whole.size();
  }
}

TEST(Nifti, DamagedBytesNeverCrash) {
  std::mt19937 random(5);
  Scratch scratch;
  File f = header({4, 3, 2}, 4, 16);
  f.bytes += std::string(48, '\1');
  std::string packed = *gzip(f.bytes);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = round % 2 ? f.bytes : packed;
    for (int k = 0; k < 3; ++k) bytes[random() % std::min<size_t>(bytes.size(), 130)] = static_cast<char>(random());
    auto image = read_nifti(scratch.write("x", bytes));
    if (!image.ok()) continue;
    EXPECT_EQ(static_cast<int64_t>(image->voxels.size()), image->voxel_count());
  }
}

TEST(Nifti, RefusesByName) {
  File good = header({2, 2}, 2, 8);
  good.bytes += "abcd";
  EXPECT_EQ(error_of(good.bytes), "accepted");
  auto changed = [&](auto edit) {
    File f = good;
    edit(f);
    return error_of(f.bytes);
  };
  auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(changed([](File& f) { f.put<int32_t>(0, 540); }), "NIfTI-2"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int32_t>(0, 7); }), "is 7, expected 348"));
  EXPECT_TRUE(has(changed([](File& f) { f.bytes.replace(344, 3, "ni1"); }), "two-file"));
  EXPECT_TRUE(has(changed([](File& f) { f.bytes.replace(344, 3, "abc"); }), "Analyze"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(70, 128); }), "rgb24"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(70, 77); }), "77 is unknown"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(40, 8); }), "8 dimensions"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(44, 0); }), "extent 0"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(44, -3); }), "extent -3"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<float>(108, 351); }), "351"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<float>(108, 1e30f); }), "voxels start"));
  EXPECT_TRUE(has(changed([](File& f) { f.put<int16_t>(42, 32767); }), "the file has"));
  EXPECT_TRUE(has(changed([](File& f) {
                    f.put<int16_t>(40, 4);
                    for (size_t i = 0; i < 4; ++i) f.put<int16_t>(42 + 2 * i, 32767);
                  }),
                  "voxels"));
}

TEST(Nifti, LabelsKeepTheGeometryByteForByte) {
  for (bool big : {false, true})
    for (const char* name : {"labels.nii", "labels.nii.gz"}) {
      Scratch scratch;
      File f = header({3, 2, 1, 2}, 4, 16, big);
      std::mt19937 random(3);
      for (size_t at = 252; at < 344; ++at) f.bytes[at] = static_cast<char>(random());  // qform, sform, name
      f.put<float>(112, 3);
      for (int i = 0; i < 12; ++i) f.append<int16_t>(1);
      NiftiImage image = *read_nifti(scratch.write("in.nii", f.bytes));
      std::vector<uint8_t> labels = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
      ASSERT_TRUE(write_nifti_labels(scratch.path(name), image, labels).ok());
      auto back = read_nifti(scratch.path(name));
      ASSERT_TRUE(back.ok()) << back.error().text();
      EXPECT_EQ(std::memcmp(back->header.data() + 252, image.header.data() + 252, 92), 0);
      EXPECT_EQ(std::memcmp(back->header.data() + 76, image.header.data() + 76, 32), 0);  // pixdim
      EXPECT_EQ(back->extent, image.extent);
      EXPECT_EQ(std::vector<uint8_t>(back->voxels.begin(), back->voxels.end()), labels);
      EXPECT_FALSE(write_nifti_labels(scratch.path("short"), image, std::span(labels).first(5)).ok());
    }
}

}  // namespace
}  // namespace quadlane::tools
