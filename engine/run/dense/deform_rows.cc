#include "engine/run/dense/deform_rows.h"

#include <algorithm>

#include "engine/base/on_isa.h"
#include "engine/run/dense/taps.h"

namespace quadlane::run {
namespace {

// Four pixels and their weights. One that weighs nothing is one of the others, so that it hides what it holds.
struct Quartet {
  const float* pixel[4];
  float weight[4];

  Quartet(const PlaneTaps& taps, int64_t i, const float* x, int64_t pixel_step) {
    int64_t any = -1;
    for (int k = 3; k >= 0; --k)
      if (taps.weight[k][i] != 0) any = taps.at[k][i];
    for (int k = 0; k < 4; ++k) {
      weight[k] = taps.weight[k][i];
      pixel[k] = any < 0 ? nullptr : x + (weight[k] != 0 ? taps.at[k][i] : any) * pixel_step;
    }
  }
  void sum(int64_t first, int64_t n, float* y) const {
    const float *a = pixel[0] + first, *b = pixel[1] + first, *c = pixel[2] + first, *d = pixel[3] + first;
    const float wa = weight[0], wb = weight[1], wc = weight[2], wd = weight[3];
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = wa * a[i] + wb * b[i] + (wc * c[i] + wd * d[i]);
  }
};

}  // namespace

// One tap of up to kPlaces pixels of the result; `group` counts through the images.
void DeformRowsStep::block(const RunContext& ctx, int64_t group, int64_t tap, int64_t first) const {
  const WindowAxis &down = axes[0], &across = axes[1];
  const int64_t all = pixels(), n = std::min(kPlaces, all - first), place = group * taps() + tap;
  const auto* places = static_cast<const float*>(offset.at(ctx)) + 2 * place * all + first;
  const auto* factors = has_mask ? static_cast<const float*>(mask.at(ctx)) + place * all + first : nullptr;
  alignas(64) double row[kPlaces], column[kPlaces];
  for (int64_t i = 0, oy = first / across.out, ox = first % across.out; i < n; ++i) {
    row[i] = static_cast<double>(oy * down.stride - down.pad + tap / across.kernel * down.dilation);
    column[i] = static_cast<double>(ox * across.stride - across.pad + tap % across.kernel * across.dilation);
    if (++ox == across.out) ox = 0, ++oy;
  }
  PlaneTaps found;
  PlaneTaps* t = &found;
  double *at_row = row, *at_column = column;
  on_isa(isa, [=] {
    for (int64_t i = 0; i < n; ++i) at_row[i] += places[i], at_column[i] += places[all + i];
  });
  t->start(n);
  if (factors) std::copy_n(factors, n, t->weight[0]);
  t->add_axis(isa, {GridMode::linear, GridPadding::zeros, false, down.in}, row, n);
  t->add_axis(isa, {GridMode::linear, GridPadding::zeros, false, across.in}, column, n);
  const int64_t image = group / groups, pixel_channels = groups * channels, each = pixel_channels / products;
  const float* x = static_cast<const float*>(from.at(ctx)) + image * down.in * across.in * pixel_channels;
  const int64_t begin = group % groups * channels, end = begin + channels, row_floats = taps() * each;
  float* y = static_cast<float*>(to.at(ctx)) + (image * products * all + first) * row_floats + tap * each;
  on_isa(isa, [=] {
    for (int64_t i = 0; i < n; ++i) {
      const Quartet four(*t, i, x, pixel_channels);
      for (int64_t channel = begin; channel < end;) {  // as far as the convolution's group goes
        const int64_t product = channel / each, count = std::min(end, (product + 1) * each) - channel;
        float* to_row = y + (product * all + i) * row_floats + channel % each;
        if (four.pixel[0])
          four.sum(channel, count, to_row);
        else
          std::fill_n(to_row, count, 0.0f);
        channel += count;
      }
    }
  });
}

// All taps of some pixels one after the other: they read the same rows.
void DeformRowsStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t blocks = (pixels() + kPlaces - 1) / kPlaces;
  Share share(images * groups * blocks * taps(), part, parts);
  for (int64_t i = share.begin; i < share.end; ++i)
    block(ctx, i / taps() / blocks, i % taps(), i / taps() % blocks * kPlaces);
}

}  // namespace quadlane::run
