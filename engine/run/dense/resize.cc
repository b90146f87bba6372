#include "engine/run/dense/resize.h"

#include <algorithm>

#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

// A row of results, each from pixels of one row.
void resize_row(Isa isa, const float* x, const int32_t* index, const float* weight, float* y, int64_t out, int64_t taps,
                int32_t last) {
  on_isa(isa, [=] {
    for (int64_t t = 0; t < taps; ++t) {
      const int32_t* at = index + t * out;
      const float* w = weight + t * out;
#pragma GCC ivdep
      for (int64_t j = 0; j < out; ++j) {
        const int32_t i = std::clamp(at[j], 0, last);
        y[j] = (t == 0 ? 0.0f : y[j]) + w[j] * x[i];
      }
    }
  });
}

// A row of results from `taps` rows.
void sum_rows(Isa isa, const float* x, const int32_t* index, const float* weight, float* y, int64_t step, int64_t taps,
              int32_t last, int64_t inner) {
  on_isa(isa, [=] {
    for (int64_t t = 0; t < taps; ++t) {
      const float w = weight[t * step];
      const float* row = x + std::clamp(index[t * step], 0, last) * inner;
#pragma GCC ivdep
      for (int64_t i = 0; i < inner; ++i) y[i] = (t == 0 ? 0.0f : y[i]) + w * row[i];
    }
  });
}

}  // namespace

void AxisResizeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const auto* x = static_cast<const float*>(from.at(ctx));
  auto* y = static_cast<float*>(to.at(ctx));
  const auto* at = static_cast<const int32_t*>(index.at(ctx));
  const auto* w = static_cast<const float*>(weight.at(ctx));
  const auto last = static_cast<int32_t>(in - 1);
  if (inner == 1) {
    const Share share(outer, part, parts);
    for (int64_t o = share.begin; o < share.end; ++o) resize_row(isa, x + o * in, at, w, y + o * out, out, taps, last);
    return;
  }
  const Share share(outer * out, part, parts);
  for (int64_t r = share.begin; r < share.end; ++r) {
    const int64_t o = r / out, j = r % out;
    sum_rows(isa, x + o * in * inner, at + j, w + j, y + r * inner, out, taps, last, inner);
  }
}

}  // namespace quadlane::run
