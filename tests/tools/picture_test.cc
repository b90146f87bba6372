#include <gtest/gtest.h>
#include <png.h>

#include <cstring>

#include "engine/base/sha256.h"
#include "tests/tools/scratch.h"
#include "tools/heart/canvas.h"
#include "tools/io/file.h"

namespace quadlane::tools {
namespace {

TEST(Png, ReadsBackAsWritten) {
  Scratch scratch;
  Picture picture(7, 5);
  for (size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] = {static_cast<uint8_t>(i * 3), static_cast<uint8_t>(255 - i), static_cast<uint8_t>(i * i)};
  ASSERT_TRUE(write_png(scratch.path("p.png"), picture).ok());
  std::string bytes = *read_file(scratch.path("p.png"));
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
  EXPECT_EQ(image.width, 7u);
  EXPECT_EQ(image.height, 5u);
  image.format = PNG_FORMAT_RGB;
  std::vector<Rgb> pixels(35);
  ASSERT_TRUE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr));
  EXPECT_EQ(pixels, picture.pixels);
}

TEST(Canvas, ContoursAreTheBordersOfRegions) {
  // A 3x3 block of LV in a 5x5 slice, twice enlarged: its border is one pixel of the picture wide.
  std::vector<uint8_t> labels(25, 0);
  for (int y = 1; y <= 3; ++y)
    for (int x = 1; x <= 3; ++x) labels[static_cast<size_t>(5 * y + x)] = 3;
  Picture picture(10, 10);
  draw_contours(picture, 0, 0, 2, labels, 5, {0, 0, 5, 5});
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 10; ++x) {
      bool inside = x >= 2 && x < 8 && y >= 2 && y < 8, border = inside && (x == 2 || x == 7 || y == 2 || y == 7);
      EXPECT_EQ(picture.at(x, y), border ? kLabelColours[3] : Rgb{}) << x << "," << y;
    }
}

TEST(Canvas, DifferencesMarkExactlyWhatDiffers) {
  std::vector<uint8_t> a = {0, 1, 2, 3}, b = {0, 1, 3, 3};
  Picture picture(2, 2);
  draw_differences(picture, 0, 0, 1, a, b, 2, {0, 0, 2, 2});
  EXPECT_EQ(picture.at(0, 1), kDifferenceColour);
  EXPECT_EQ(picture.at(1, 1), Rgb{});
}

TEST(Canvas, TextOverTheEdgeIsCutOff) {
  Picture picture(8, 4);
  draw_text(picture, 5, -2, "ED 12");
  draw_text(picture, -3, 2, "int8");
}

TEST(Sha256, KnownVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace quadlane::tools
