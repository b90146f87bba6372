// A copy as a file may describe it.
#include <gtest/gtest.h>

#include <limits>

#include "engine/run/dense/copy.h"

namespace quadlane::run {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// Two rows of four bytes, as the file says them, in tiles of so many.
StridedCopy stored(int64_t row_chunk, int64_t inner_chunk) {
  FieldWriter w;
  w.write(size_t{1});
  w.write(std::vector<CopyAxis>());
  w.write(CopyAxis{2, 4, 4}), w.write(CopyAxis{4, 1, 1});
  for (int64_t number : {int64_t{0}, int64_t{0}, row_chunk, inner_chunk}) w.write(number);
  w.write(StridedCopy::Kind::rows);
  w.write(false);
  FieldReader r(w.bytes());
  auto copy = r.get<StridedCopy>();
  EXPECT_TRUE(r.ok() && r.left() == 0);
  return copy;
}

TEST(StridedCopy, TilesHaveAnExtent) {
  EXPECT_TRUE(stored(1, 4).fits(8, 8));
  EXPECT_TRUE(stored(1 << 20, 1 << 20).fits(8, 8)) << "larger than all";
  EXPECT_FALSE(stored(0, 4).fits(8, 8));
  EXPECT_FALSE(stored(kMost, 4).fits(8, 8)) << "the number of tiles would overflow";
  EXPECT_FALSE(stored(1, kMost).fits(8, 8));
}

}  // namespace
}  // namespace quadlane::run
