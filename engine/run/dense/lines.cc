#include "engine/run/dense/lines.h"

#include <algorithm>
#include <limits>

#include "engine/run/dense/line_loops.h"
#include "engine/run/dense/math.h"
#include "engine/base/on_isa.h"
#include "engine/run/dense/transpose_blocks.h"

namespace quadlane::run {

void LinesStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  if (lines.inner == 1 && lines.extent <= kShortLine && lines.outer > 1) return short_lines(ctx, part, parts);
  const int64_t groups = (lines.inner + kLineGroup - 1) / kLineGroup;
  Share share(lines.outer * groups, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t outer = i / groups, column = i % groups * kLineGroup;
    const int64_t offset = outer * lines.extent * lines.inner + column;
    LineGroup g{static_cast<const float*>(from.at(ctx)) + offset, nullptr, lines.inner,
                std::min(kLineGroup, lines.inner - column), outer * lines.inner + column};
    if (keeps_shape()) g.y = static_cast<float*>(to.at(ctx)) + offset;
    group(ctx, g);
  }
}

// 64 lines at a time through a buffer where they lie side by side.
void LinesStep::short_lines(const RunContext& ctx, int part, int parts) const {
  constexpr int64_t kTogether = 64;
  alignas(64) float x[kShortLine * kTogether], y[kShortLine * kTogether];
  auto bits = [](auto* floats) { return reinterpret_cast<const uint32_t*>(floats); };
  Share share((lines.outer + kTogether - 1) / kTogether, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) {
    const int64_t first = i * kTogether, columns = std::min(kTogether, lines.outer - first);
    const float* src = static_cast<const float*>(from.at(ctx)) + first * lines.extent;
    transpose_block(bits(src), lines.extent, reinterpret_cast<uint32_t*>(x), kTogether, columns, lines.extent);
    group(ctx, {x, y, kTogether, columns, first});
    if (!keeps_shape()) continue;
    auto* dst = static_cast<uint32_t*>(to.at(ctx)) + first * lines.extent;
    transpose_block(bits(y), kTogether, dst, lines.extent, lines.extent, columns);
  }
}

namespace {

// --- softmax ---------------------------------------------------------------------------------------------------------

void softmax_line(const float* x, int64_t n, bool log, float* y) {
  const float most = reduce_line<MaxOf>(x, n);
  for (int64_t i = 0; i < n; ++i) y[i] = exp(x[i] - most);
  const float sum = reduce_line<SumOf>(y, n);
  if (log) {
    const float log_sum = run::log(sum);
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - most) - log_sum;
  } else {
    const float scale = 1.0f / sum;
    for (int64_t i = 0; i < n; ++i) y[i] *= scale;
  }
}

void softmax_columns(const float* x, int64_t extent, int64_t step, int64_t columns, bool log, float* y) {
  float most[kLineGroup], sum[kLineGroup];
  for (int64_t c = 0; c < columns; ++c) most[c] = x[c], sum[c] = 0;
  for (int64_t e = 1; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) most[c] = MaxOf::add(most[c], x[e * step + c]);
  for (int64_t e = 0; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) {
      const float power = exp(x[e * step + c] - most[c]);
      y[e * step + c] = power;
      sum[c] += power;
    }
  for (int64_t c = 0; c < columns; ++c) sum[c] = log ? run::log(sum[c]) : 1.0f / sum[c];
  for (int64_t e = 0; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c)
      y[e * step + c] = log ? (x[e * step + c] - most[c]) - sum[c] : y[e * step + c] * sum[c];
}

// --- reductions ------------------------------------------------------------------------------------------------------

// Calls f with the rule of a reduction.
template <class F>
void with_rule(Reduction op, const F& f) {
  switch (op) {
    case Reduction::sum:
    case Reduction::mean: return f(SumOf());
    case Reduction::max: return f(MaxOf());
    case Reduction::min: return f(MinOf());
    case Reduction::l1: return f(SumOfMagnitudes());
    case Reduction::l2:
    case Reduction::sum_square: return f(SumOfSquares());
    case Reduction::product: return f(ProductOf());
  }
}

template <class Rule>
void reduce_columns(const float* x, int64_t extent, int64_t step, int64_t columns, float* y) {
  using Sum = typename Rule::Sum;
  Sum sums[kLineGroup];
  for (int64_t c = 0; c < columns; ++c) sums[c] = Rule::kFirst;
  for (int64_t e = 0; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) sums[c] = Rule::add(sums[c], static_cast<Sum>(x[e * step + c]));
  for (int64_t c = 0; c < columns; ++c) y[c] = static_cast<float>(sums[c]);
}

// --- arg max ---------------------------------------------------------------------------------------------------------

// A NaN is above everything, also for the minimum; the first of them is the result.
template <bool Max, bool Last>
void arg_columns(const float* x, int64_t extent, int64_t step, int64_t columns, int64_t* y) {
  float best[kLineGroup];
  int32_t at[kLineGroup];
  for (int64_t c = 0; c < columns; ++c) best[c] = x[c], at[c] = 0;
  for (int64_t e = 1; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) {
      const float v = x[e * step + c], b = best[c];
      const bool beyond = Max ? v > b : v < b, nan_first = (v != v) & (b == b), again = Last & (v == b);
      const bool take = beyond | nan_first | again;
      best[c] = take ? v : b;
      at[c] = take ? static_cast<int32_t>(e) : at[c];
    }
  for (int64_t c = 0; c < columns; ++c) y[c] = at[c];
}

template <bool Max>
int64_t arg_line(const float* x, int64_t n, bool last) {
  const float best = Max ? reduce_line<MaxOf>(x, n) : reduce_line<MinOf>(x, n);
  int64_t at = 0;
  if (best != best) {
    while (x[at] == x[at]) ++at;
  } else if (last) {
    at = n - 1;
    while (x[at] != best) --at;
  } else {
    at = find_first(x, n, best);
  }
  return at;
}

}  // namespace

namespace {

// Normalizes lines side by side; x may not be y.
void normalize_columns(const float* x, int64_t extent, int64_t step, int64_t columns, bool centre, float epsilon,
                       const float* factors, const float* offsets, float* y) {
  float mean[kLineGroup], squares[kLineGroup];
  const float count = static_cast<float>(extent);
  for (int64_t c = 0; c < columns; ++c) mean[c] = squares[c] = 0;
  for (int64_t e = 0; centre && e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) mean[c] += x[e * step + c];
  for (int64_t c = 0; c < columns; ++c) mean[c] /= count;
  for (int64_t e = 0; e < extent; ++e)
    for (int64_t c = 0; c < columns; ++c) {
      const float d = x[e * step + c] - mean[c];
      squares[c] += d * d;
    }
  for (int64_t c = 0; c < columns; ++c) squares[c] = 1.0f / std::sqrt(squares[c] / count + epsilon);
  for (int64_t e = 0; e < extent; ++e) {
    const float factor = factors[e], offset = offsets ? offsets[e] : 0.0f;
    for (int64_t c = 0; c < columns; ++c) y[e * step + c] = (x[e * step + c] - mean[c]) * squares[c] * factor + offset;
  }
}

void normalize_line(const float* x, int64_t n, bool centre, float epsilon, const float* factors, const float* offsets,
                    float* y) {
  const float count = static_cast<float>(n), mean = centre ? reduce_line<SumOf>(x, n) / count : 0.0f;
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] - mean;
  const float inverse = 1.0f / std::sqrt(reduce_line<SumOfSquares>(y, n) / count + epsilon);
  if (offsets)
    for (int64_t i = 0; i < n; ++i) y[i] = y[i] * inverse * factors[i] + offsets[i];
  else
    for (int64_t i = 0; i < n; ++i) y[i] = y[i] * inverse * factors[i];
}

}  // namespace

void SoftmaxStep::group(const RunContext&, const LineGroup& g) const {
  const int64_t extent = lines.extent;
  const bool as_log = log;
  if (g.step == 1)
    on_isa(isa, [=] { softmax_line(g.x, extent, as_log, g.y); });
  else
    on_isa(isa, [=] { softmax_columns(g.x, extent, g.step, g.columns, as_log, g.y); });
}

void ReduceStep::group(const RunContext& ctx, const LineGroup& g) const {
  const int64_t extent = lines.extent;
  float* y = static_cast<float*>(to.at(ctx)) + g.first;
  with_rule(op, [=, this]<class Rule>(Rule) {
    if (g.step == 1)
      on_isa(isa, [=] { *y = reduce_line<Rule>(g.x, extent); });
    else
      on_isa(isa, [=] { reduce_columns<Rule>(g.x, extent, g.step, g.columns, y); });
  });
  for (int64_t c = 0; c < g.columns; ++c) {
    if (op == Reduction::mean) y[c] /= static_cast<float>(extent);
    if (op == Reduction::l2) y[c] = std::sqrt(y[c]);
  }
}

void LayerNormStep::group(const RunContext& ctx, const LineGroup& g) const {
  const int64_t extent = lines.extent;
  const auto* factors = static_cast<const float*>(scale.at(ctx));
  const auto* offsets = has_bias ? static_cast<const float*>(bias.at(ctx)) : nullptr;
  const float small = epsilon;
  const bool centre = centred;
  if (g.step == 1)
    on_isa(isa, [=] { normalize_line(g.x, extent, centre, small, factors, offsets, g.y); });
  else
    on_isa(isa, [=] { normalize_columns(g.x, extent, g.step, g.columns, centre, small, factors, offsets, g.y); });
}

void ArgStep::group(const RunContext& ctx, const LineGroup& g) const {
  const int64_t extent = lines.extent;
  int64_t* y = static_cast<int64_t*>(to.at(ctx)) + g.first;
  const bool latest = last;
  if (g.step == 1) {
    if (max)
      on_isa(isa, [=] { *y = arg_line<true>(g.x, extent, latest); });
    else
      on_isa(isa, [=] { *y = arg_line<false>(g.x, extent, latest); });
  } else if (max) {
    if (latest)
      on_isa(isa, [=] { arg_columns<true, true>(g.x, extent, g.step, g.columns, y); });
    else
      on_isa(isa, [=] { arg_columns<true, false>(g.x, extent, g.step, g.columns, y); });
  } else {
    if (latest)
      on_isa(isa, [=] { arg_columns<false, true>(g.x, extent, g.step, g.columns, y); });
    else
      on_isa(isa, [=] { arg_columns<false, false>(g.x, extent, g.step, g.columns, y); });
  }
}

}  // namespace quadlane::run
