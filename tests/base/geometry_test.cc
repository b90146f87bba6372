#include "engine/base/geometry.h"

#include <gtest/gtest.h>

namespace quadlane {
namespace {

TEST(Geometry, PlacesVectorsAndPaddingApart) {
  for (int n : {1, 3})
    for (int h : {1, 2, 7})
      for (int w : {1, 5, 16, 31})
        for (int gap : {0, 1, 3}) {
          Geometry g = *make_geometry(n, h, w, gap, gap, gap + 1);
          EXPECT_EQ(g.pitch, w + gap);
          EXPECT_EQ(g.origin % kVectorPixels, 0);
          EXPECT_EQ(g.image_pixels % kVectorPixels, 0);
          EXPECT_EQ(g.plane_pixels / kVectorPixels % 2, 1) << "successive planes meet in the same cache sets";
          const int64_t above = int64_t{g.pad_top} * g.pitch + gap;
          EXPECT_GE(g.origin, above + kSlackPixels);
          // The last vector of an image ends before the padding above the next one begins.
          EXPECT_LE(int64_t{g.vectors()} * kVectorPixels + above, g.image_pixels);
          EXPECT_LE(g.pixel(n - 1, h + g.pad_bottom - 1, w - 1) + gap + kSlackPixels, g.plane_pixels);
        }
}

TEST(Geometry, ValidLanesAreThePixels) {
  Geometry g = *make_geometry(1, 3, 5, 2, 1, 1);
  std::vector<uint16_t> lanes = valid_lanes(g);
  ASSERT_EQ(lanes.size(), 2u);  // (3 - 1) * 7 + 5 = 19 pixels
  EXPECT_EQ(lanes[0], 0b1100111110011111);
  EXPECT_EQ(lanes[1], 0b0000000000000111);
}

TEST(Geometry, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(make_geometry(1, 1 << 16, 1 << 16, 0, 0, 0).ok());
  EXPECT_FALSE(make_geometry(1, 0, 4, 0, 0, 0).ok());
  EXPECT_FALSE(make_geometry(INT64_MAX, INT64_MAX, INT64_MAX, 0, 0, 0).ok());
  EXPECT_FALSE(make_geometry(1, 4, 4, -1, 0, 0).ok());
}

}  // namespace
}  // namespace quadlane
