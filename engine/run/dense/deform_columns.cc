#include "engine/run/dense/deform_columns.h"

#include "engine/run/dense/on_isa.h"
#include "engine/run/dense/taps.h"

namespace quadlane::run {

// `group` counts through the images; up to kPlaces pixels of the result, and what fills up the last panel.
void DeformColumnsStep::block(const RunContext& ctx, int64_t group, int64_t tap, int64_t first) const {
  const WindowAxis &down = axes[0], &across = axes[1];
  const int64_t taps = down.kernel * across.kernel, pixels = down.out * across.out;
  const int64_t n = std::min(kPlaces, pixels - first), padded = std::min(kPlaces, layout.padded_n() - first);
  const auto* places = static_cast<const float*>(offset.at(ctx)) + 2 * (group * taps + tap) * pixels + first;
  const auto* factors =
      has_mask ? static_cast<const float*>(mask.at(ctx)) + (group * taps + tap) * pixels + first : nullptr;
  alignas(64) double row[kPlaces], column[kPlaces];
  for (int64_t i = 0, oy = first / across.out, ox = first % across.out; i < n; ++i) {
    row[i] = static_cast<double>(oy * down.stride - down.pad + tap / across.kernel * down.dilation);
    column[i] = static_cast<double>(ox * across.stride - across.pad + tap % across.kernel * across.dilation);
    if (++ox == across.out) ox = 0, ++oy;
  }
  AxisTaps rows, columns;
  PlaneTaps<4> found;
  AxisTaps *r = &rows, *c = &columns;
  PlaneTaps<4>* t = &found;
  double *at_row = row, *at_column = column;
  const int64_t height = down.in, width = across.in;
  on_isa(isa, [=] {
    for (int64_t i = 0; i < n; ++i) at_row[i] += places[i], at_column[i] += places[pixels + i];
    linear_taps(at_row, n, height, r);
    linear_taps(at_column, n, width, c);
    for (int a = 0; a < 4; ++a) {
      for (int64_t i = 0; i < n; ++i) {
        t->at[a][i] = r->at[a / 2][i] * static_cast<int32_t>(width) + c->at[a % 2][i];
        t->weight[a][i] = r->weight[a / 2][i] * c->weight[a % 2][i] * (factors ? factors[i] : 1.0f);
      }
      for (int64_t i = n; i < padded; ++i) t->at[a][i] = 0, t->weight[a][i] = 0;
    }
  });
  const int64_t image = group / groups, per_product = layout.k / taps, products = groups * channels / per_product;
  const int64_t plane = height * width, count = channels, first_channel = group % groups * channels;
  const float* x = static_cast<const float*>(from.at(ctx)) + group * channels * plane;
  const int64_t panel_columns = layout.columns(), panel = layout.panel_bytes() / 4, matrix = layout.b_bytes() / 4;
  float* y = static_cast<float*>(to.at(ctx)) + image * products * matrix + first / panel_columns * panel;
  on_isa(isa, [=] {
    alignas(64) float sums[kPlaces];
    for (int64_t i = 0; i < count; ++i) {
      sum_taps(*t, x + i * plane, padded, sums);
      const int64_t channel = first_channel + i, k = channel % per_product * taps + tap;
      float* to_row = y + channel / per_product * matrix + k * panel_columns;
      for (int64_t p = 0; p < padded; p += panel_columns, to_row += panel)
        std::memcpy(to_row, sums + p, static_cast<size_t>(panel_columns) * 4);
    }
  });
}

// All taps of some pixels one after the other: they read the same rows.
void DeformColumnsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t taps = axes[0].kernel * axes[1].kernel, blocks = (axes[0].out * axes[1].out + kPlaces - 1) / kPlaces;
  Share share(images * groups * blocks * taps, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i)
    block(ctx, i / taps / blocks, i % taps, i / taps % blocks * kPlaces);
}

}  // namespace quadlane::run
