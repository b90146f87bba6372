#include "tools/accuracy/decision_bias.h"

#include <algorithm>
#include <cmath>

#include "graph/passes/rewrite.h"
#include "ops/table.h"
#include "tools/accuracy/side_by_side.h"
#include "tools/cli/progress.h"

namespace quadlane::tools {
namespace {

constexpr size_t kMostClasses = 64, kMostValues = size_t{1} << 24;  // floats kept of each network
constexpr int kRounds = 8;
constexpr double kErrors = 4, kFarthest = 8;  // T in errors; how many T of margin leave a pixel nothing to decide

// Pixels of both networks, those alone that are near a tie in either.
struct Pixels {
  size_t classes = 0;
  double t = 0;
  std::vector<float> fp32, int8;

  void add(const Tensor& a, const Tensor& b) {
    const size_t inner = static_cast<size_t>(a.count()) / classes;
    if (t == 0) t = std::max(kErrors * error(a, b), 1e-12);
    for (size_t i = 0; i < inner && fp32.size() < kMostValues; ++i) {
      if (std::min(margin(a, i, inner), margin(b, i, inner)) > kFarthest * t) continue;
      for (size_t c = 0; c < classes; ++c) {
        fp32.push_back(a.as<float>()[c * inner + i]);
        int8.push_back(b.as<float>()[c * inner + i]);
      }
    }
  }

 private:
  static double error(const Tensor& a, const Tensor& b) {
    double sum = 0;
    for (int64_t i = 0; i < a.count(); ++i) sum += std::pow(double{a.as<float>()[i]} - b.as<float>()[i], 2);
    return std::sqrt(sum / static_cast<double>(a.count()));
  }
  // Between the best class and the second.
  double margin(const Tensor& t, size_t pixel, size_t inner) const {
    float best = -HUGE_VALF, second = -HUGE_VALF;
    for (size_t c = 0; c < classes; ++c) {
      const float v = t.as<float>()[c * inner + pixel];
      second = std::max(second, std::min(best, v));
      best = std::max(best, v);
    }
    return best - second;
  }
};

void softmax(std::span<const float> y, const std::vector<double>& offset, double t, std::vector<double>& p) {
  double most = -HUGE_VAL, sum = 0;
  for (size_t c = 0; c < y.size(); ++c) most = std::max(most, p[c] = (y[c] + offset[c]) / t);
  for (double& v : p) sum += v = std::exp(v - most);
  for (double& v : p) v /= sum;
}

// Solves m x = y of n rows by elimination; m is positive definite.
std::vector<double> solve(std::vector<double> m, std::vector<double> y) {
  const size_t n = y.size();
  for (size_t k = 0; k < n; ++k)
    for (size_t i = k + 1; i < n; ++i) {
      const double f = m[i * n + k] / m[k * n + k];
      for (size_t j = k; j < n; ++j) m[i * n + j] -= f * m[k * n + j];
      y[i] -= f * y[k];
    }
  for (size_t i = n; i-- > 0;) {
    for (size_t j = i + 1; j < n; ++j) y[i] -= m[i * n + j] * y[j];
    y[i] /= m[i * n + i];
  }
  return y;
}

// The convolution that makes the first output, an image of classes.
const Node* deciding_conv(const Graph& g) {
  const Node* node = g.outputs().empty() ? nullptr : g.producer(g.outputs()[0]);
  if (!node || node->op != "Conv") return nullptr;
  const Shape& shape = g[node->output()].type.shape;
  const bool classes = shape.size() == 4 && shape[0] == 1 && shape[1] >= 2;
  return classes && static_cast<size_t>(shape[1]) <= kMostClasses ? node : nullptr;
}

}  // namespace

std::vector<double> area_offsets(std::span<const float> fp32, std::span<const float> int8, size_t n, double t) {
  std::vector<double> offset(n, 0), p(n), wanted(n, 0);
  for (size_t i = 0; i < fp32.size(); i += n) {
    softmax(fp32.subspan(i, n), offset, t, p);
    for (size_t c = 0; c < n; ++c) wanted[c] += p[c];
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> slope(n * n, 0), missing = wanted;
    for (size_t i = 0; i < int8.size(); i += n) {
      softmax(int8.subspan(i, n), offset, t, p);
      for (size_t c = 0; c < n; ++c) {
        missing[c] -= p[c];
        slope[c * n + c] += p[c] / t;
        for (size_t d = 0; d < n; ++d) slope[c * n + d] -= p[c] * p[d] / t;
      }
    }
    // The same offset for all classes changes nothing: the added matrix picks the solution whose sum is 0. A class
    // that is never near must not make it singular.
    double trace = 1e-9;
    for (size_t c = 0; c < n; ++c) trace += slope[c * n + c];
    for (size_t i = 0; i < n * n; ++i) slope[i] += trace / static_cast<double>(n) * (i % (n + 1) ? 1 : 1 + 1e-6);
    const std::vector<double> step = solve(std::move(slope), std::move(missing));
    for (size_t c = 0; c < n; ++c) offset[c] += std::clamp(step[c], -t, t);
  }
  return offset;
}

Result<bool> balance_decisions(const Graph& fp32, const Profile& profile, std::span<const Sample> samples,
                               const CalibrationSource& source, QuantPolicy& policy) {
  const Node* conv = deciding_conv(fp32);
  if (!conv) return false;
  const std::string output = fp32[conv->output()].name;
  QL_TRY(Graph quantized, quantize(fp32, op_table(), profile, policy));
  Pixels pixels{static_cast<size_t>(fp32[conv->output()].type.shape[1]), 0, {}, {}};
  Progress progress("balancing classes", static_cast<int64_t>(samples.size()), "inputs");
  QL_CHECK_OK(
      side_by_side({fp32, output}, {quantized, output}, samples, source, [&](const Tensor& exact, const Tensor& shown) {
        pixels.add(exact, shown);
        progress.advance();
      }));
  const std::vector<double> offset = area_offsets(pixels.fp32, pixels.int8, pixels.classes, std::max(pixels.t, 1e-12));
  std::vector<double>& shift = policy.bias_shift[conv->name];
  shift.resize(pixels.classes, 0);
  for (size_t c = 0; c < pixels.classes; ++c) shift[c] += offset[c];
  return true;
}

}  // namespace quadlane::tools
