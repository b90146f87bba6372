#include "engine/run/dense/dynamic_quantize.h"

#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

constexpr int64_t kLanes = 16;  // independent minima: one vector's worth

// NaN counts for nothing: a comparison with it is false.
void range_of(Isa isa, const float* x, int64_t count, float* range) {
  on_isa(isa, [=] {
    float lo[kLanes] = {}, hi[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (int64_t l = 0; l < kLanes; ++l) {
        lo[l] = x[i + l] < lo[l] ? x[i + l] : lo[l];
        hi[l] = x[i + l] > hi[l] ? x[i + l] : hi[l];
      }
    for (; i < count; ++i) {
      lo[0] = x[i] < lo[0] ? x[i] : lo[0];
      hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    for (int64_t l = 1; l < kLanes; ++l) {
      lo[0] = lo[l] < lo[0] ? lo[l] : lo[0];
      hi[0] = hi[l] > hi[0] ? hi[l] : hi[0];
    }
    range[0] = lo[0];
    range[1] = hi[0];
  });
}

}  // namespace

void DenseRangeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  Share share(chunks, part, parts);
  for (int64_t c = share.begin; c < share.end; ++c) {
    const int64_t begin = count * c / chunks, end = count * (c + 1) / chunks;
    range_of(isa, static_cast<const float*>(x.at(ctx)) + begin, end - begin,
             static_cast<float*>(ranges.at(ctx)) + 2 * c);
  }
}

void DenseDynamicQuantizeStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  Share share(count, part, parts);
  const auto* from = static_cast<const float*>(x.at(ctx)) + share.begin;
  auto* to = static_cast<uint8_t*>(y.at(ctx)) + share.begin;
  const float s = *static_cast<const float*>(scale.at(ctx));
  const int32_t z = *static_cast<const uint8_t*>(zero.at(ctx));
  const int64_t n = share.end - share.begin;
  on_isa(isa, [=] {
    constexpr float kMagic = 0x1.8p23f;  // adding it leaves no room for a fraction: rounds half to even
    const float lo = static_cast<float>(-z), hi = static_cast<float>(255 - z);
    for (int64_t i = 0; i < n; ++i) {
      float v = from[i] / s;
      v = v == v ? v : 0.0f;
      v = v < lo ? lo : v > hi ? hi : v;
      to[i] = static_cast<uint8_t>(z + static_cast<int32_t>((v + kMagic) - kMagic));
    }
  });
}

}  // namespace quadlane::run
