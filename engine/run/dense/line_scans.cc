// Operators whose lines are walked in order: TopK, CumSum.
#include <algorithm>

#include "engine/run/dense/line_loops.h"
#include "engine/run/dense/lines.h"
#include "engine/base/on_isa.h"

namespace quadlane::run {
namespace {

// Whether a comes before b when both are sorted downwards, NaN first.
template <bool Largest>
bool better(float a, float b) {
  if (a != a || b != b) return Largest ? a != a && b == b : a == a && b != b;
  return Largest ? a > b : a < b;
}

// Whether one of kStrands elements may come before b.
template <bool Largest>
bool any_better(const float* x, float b) {
  int found = 0;
  for (int j = 0; j < kStrands; ++j) found |= Largest ? !(x[j] <= b) : !(x[j] >= b);
  return found;
}

// A sorted list of the k best so far; most elements are compared with its last entry only, neighbours together.
template <bool Largest>
void top_line(const float* x, int64_t n, int64_t step, int64_t k, int64_t to_step, float* values, int64_t* indices) {
  float best[TopKStep::kMost];
  int64_t at[TopKStep::kMost], have = 0;
  for (int64_t i = 0; i < n; ++i) {
    while (step == 1 && i % kStrands == 0 && have == k && i + kStrands <= n && !any_better<Largest>(x + i, best[k - 1]))
      i += kStrands;
    if (i == n) break;
    const float v = x[i * step];
    if (have == k && !better<Largest>(v, best[k - 1])) continue;
    int64_t place = have < k ? have++ : k - 1;
    for (; place > 0 && better<Largest>(v, best[place - 1]); --place)
      best[place] = best[place - 1], at[place] = at[place - 1];
    best[place] = v, at[place] = i;
  }
  for (int64_t i = 0; i < k; ++i) values[i * to_step] = best[i], indices[i * to_step] = at[i];
}

void sum_columns(const float* x, int64_t extent, int64_t step, int64_t columns, bool exclusive, bool reverse,
                 float* y) {
  float sums[kLineGroup];
  for (int64_t c = 0; c < columns; ++c) sums[c] = 0;
  for (int64_t e = 0; e < extent; ++e) {
    const int64_t at = (reverse ? extent - 1 - e : e) * step;
    for (int64_t c = 0; c < columns; ++c) {
      const float before = sums[c], after = before + x[at + c];
      y[at + c] = exclusive ? before : after;
      sums[c] = after;
    }
  }
}

}  // namespace

void TopKStep::group(const RunContext& ctx, const LineGroup& g) const {
  const int64_t n = lines.extent, inner = lines.inner;
  for (int64_t c = 0; c < g.columns; ++c) {
    const int64_t line = g.first + c, offset = line / inner * k * inner + line % inner;
    float* values = static_cast<float*>(to.at(ctx)) + offset;
    int64_t* at = static_cast<int64_t*>(indices.at(ctx)) + offset;
    const float* x = g.x + c;
    const int64_t most = k, step = g.step;
    if (largest)
      on_isa(isa, [=] { top_line<true>(x, n, step, most, inner, values, at); });
    else
      on_isa(isa, [=] { top_line<false>(x, n, step, most, inner, values, at); });
  }
}

void CumSumStep::group(const RunContext&, const LineGroup& g) const {
  const int64_t extent = lines.extent;
  const bool without_own = exclusive, backwards = reverse;
  on_isa(isa, [=] { sum_columns(g.x, extent, g.step, g.columns, without_own, backwards, g.y); });
}

}  // namespace quadlane::run
