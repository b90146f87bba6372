// What the tests of shape and movement operators share: index tuples and small tensors.
#pragma once

#include <functional>

#include "tests/ops/eval.h"

namespace quadlane::test {

inline Tensor ints(std::vector<int64_t> data) {
  return Tensor::from<int64_t>({static_cast<int64_t>(data.size())}, data);
}
inline AttrList axis(int64_t a) { return {{"axis", a}}; }

// Every index tuple of a shape, with its flat index.
inline void for_each_index(const Shape& shape, const std::function<void(const std::vector<int64_t>&, int64_t)>& f) {
  for (int64_t i = 0, n = elements(shape); i < n; ++i) {
    std::vector<int64_t> index(shape.size());
    int64_t rest = i;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a]) index[a] = rest % shape[a];
    f(index, i);
  }
}
inline float element(const Tensor& t, const std::vector<int64_t>& index) {
  int64_t at = 0;
  for (size_t a = 0; a < index.size(); ++a) at = at * t.shape()[a] + index[a];
  return t.as<float>()[at];
}
inline Shape random_shape(Random& random, int64_t min_rank, int64_t max_rank, int64_t max_extent = 5) {
  Shape shape(static_cast<size_t>(random.between(min_rank, max_rank)));
  for (int64_t& extent : shape) extent = random.between(1, max_extent);
  return shape;
}

}  // namespace quadlane::test
