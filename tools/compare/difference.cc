#include "tools/compare/difference.h"

#include <cmath>

#include "tools/cli/table.h"

namespace quadlane::tools {
namespace {

// Over channels: how many pixels of [N,C,...] have their largest value in another channel.
int64_t labels_that_differ(const Tensor& a, const Tensor& b) {
  const Shape& s = a.shape();
  const int64_t pixels = elements(s) / (s[0] * s[1]);
  const float *x = a.as<float>(), *y = b.as<float>();
  int64_t changed = 0;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t p = 0; p < pixels; ++p) {
      int64_t best_a = 0, best_b = 0;
      auto at = [&](const float* v, int64_t c) { return v[(n * s[1] + c) * pixels + p]; };
      for (int64_t c = 1; c < s[1]; ++c) {
        if (at(x, c) > at(x, best_a)) best_a = c;
        if (at(y, c) > at(y, best_b)) best_b = c;
      }
      changed += best_a != best_b;
    }
  return changed;
}

}  // namespace

void add_elements(const Tensor& want, const Tensor& got, measure::Deviation& deviation) {
  for (int64_t i = 0; i < want.count(); ++i)
    deviation.add(element_as_double(want.view(), i), element_as_double(got.view(), i));
}

Result<Difference> difference(std::span<const Tensor> wanted, std::span<const Tensor> got) {
  if (wanted.empty() || got.size() != wanted.size())
    return invalid_argument(wanted.size(), " outputs are to be compared with ", got.size());
  Difference d;
  int64_t pixels = 0, changed = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Tensor &a = wanted[i], &b = got[i];
    if (a.type() != b.type())
      return invalid_argument("output ", i, " is ", to_string(a.type()), " and ", to_string(b.type()));
    add_elements(a, b, d.values);
    if (a.dtype() != DType::f32 || a.shape().size() < 2 || a.shape()[1] < 2) continue;
    pixels += a.count() / a.shape()[1];
    changed += labels_that_differ(a, b);
  }
  d.labels_changed = pixels ? static_cast<double>(changed) / static_cast<double>(pixels) : 0;
  return d;
}

std::string largest_text(const measure::Deviation& d) { return d.unlike > 0 ? "NaN" : fixed(d.largest, 5); }

std::string sqnr_text(const measure::Deviation& d) {
  if (d.unlike > 0) return "NaN";
  return d.noise == 0 ? "equal" : fixed(d.sqnr_db(), 1);
}

}  // namespace quadlane::tools
