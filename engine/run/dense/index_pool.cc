#include "engine/run/dense/index_pool.h"

#include <algorithm>
#include <limits>

#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kPixels = 256;  // of a row that are walked together

// Of each pixel of the result: the largest value, and the largest that has an index.
struct Best {
  float value[kPixels], indexed[kPixels];
  int32_t at[kPixels];
};

// One tap of n neighbouring pixels; `at` is the index of the first one's.
void take(const float* x, int64_t n, int64_t stride, int32_t at, Best* best, int64_t first) {
  float *value = best->value + first, *indexed = best->indexed + first;
  int32_t* where = best->at + first;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i * stride], b = indexed[i];
    const bool better = (where[i] < 0) | (v > b);
    value[i] = v > value[i] ? v : value[i];
    indexed[i] = better ? v : b;
    where[i] = better ? at + static_cast<int32_t>(i * stride) : where[i];
  }
}

// The pixels [begin, end) of the result whose tap k is inside.
struct Inside {
  int64_t begin, end;
  Inside(const WindowAxis& a, int64_t k, int64_t first, int64_t last) {
    const int64_t before = a.pad - k * a.dilation, behind = a.in - 1 + before;  // o * stride is in [before, behind]
    begin = std::max(first, before > 0 ? (before + a.stride - 1) / a.stride : 0);
    end = std::max(begin, std::min(last, behind < 0 ? 0 : behind / a.stride + 1));
  }
};

}  // namespace

void IndexPoolStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const WindowAxis down = axes[0], across = axes[1];
  Share share(planes * down.out, part, parts);
  Best best;
  Best* b = &best;
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t plane = i / down.out, oy = i % down.out, origin = plane * down.in * across.in;
    const float* x = static_cast<const float*>(from.at(ctx)) + origin;
    float* y = static_cast<float*>(to.at(ctx)) + i * across.out;
    int64_t* where = static_cast<int64_t*>(indices.at(ctx)) + i * across.out;
    for (int64_t first = 0; first < across.out; first += kPixels) {
      const int64_t n = std::min(kPixels, across.out - first);
      on_isa(isa, [=] {
        for (int64_t p = 0; p < n; ++p)
          b->at[p] = -1, b->value[p] = b->indexed[p] = -std::numeric_limits<float>::infinity();
        for (int64_t k = 0; k < down.kernel; ++k) {
          const int64_t row = oy * down.stride - down.pad + k * down.dilation;
          if (row < 0 || row >= down.in) continue;
          for (int64_t j = 0; j < across.kernel; ++j) {
            const Inside in(across, j, first, first + n);
            const int64_t at = row * across.in + in.begin * across.stride - across.pad + j * across.dilation;
            const int64_t count = in.end - in.begin, to = in.begin - first;
            if (count <= 0) continue;
            take(x + at, count, across.stride, static_cast<int32_t>(at), b, to);
          }
        }
        for (int64_t p = 0; p < n; ++p) {
          y[first + p] = b->value[p];
          where[first + p] = b->at[p] < 0 ? -1 : origin + b->at[p];
        }
      });
    }
  }
}

}  // namespace quadlane::run
