#include "tools/accuracy/layer_figures.h"

#include <algorithm>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "graph/quant/products.h"
#include "tools/accuracy/exposed.h"
#include "tools/cli/tensors.h"
#include "tools/measure/deviation.h"

namespace quadlane::tools {
namespace {

struct Sums {
  measure::Deviation values;
  double beyond = 0, count = 0;
};

void add(const Tensor& real, const Tensor& bytes, const QuantValue& value, Sums& sums) {
  const Shape& s = real.shape();
  const int64_t channels = s.size() < 2 ? 1 : s[1], batch = s.size() < 2 ? 1 : s[0],
                inner = real.count() / batch / channels;
  for (int64_t row = 0; row < batch * channels; ++row) {
    const size_t c = static_cast<size_t>(row % channels);
    const double scale = value.scale_of(c), low = value.low_of(c), high = low + 255 * scale;
    const float* x = real.as<float>() + row * inner;
    const uint8_t* q = bytes.as<uint8_t>() + row * inner;
    for (int64_t i = 0; i < inner; ++i) {
      const double wanted = value.clamped ? std::clamp<double>(x[i], low, high) : x[i];
      sums.values.add(wanted, low + scale * q[i]);
      sums.beyond += x[i] < low - scale / 2 || x[i] > high + scale / 2;
    }
    sums.count += static_cast<double>(inner);
  }
}

LayerFigures describe(const Graph& fp32, const QuantValue& value, const Profile& profile) {
  LayerFigures f{value.name};
  f.scales = value.scale.size();
  f.low = *std::min_element(value.low.begin(), value.low.end());
  f.high = f.low;
  for (size_t c = 0; c < value.scale.size(); ++c) f.high = std::max(f.high, value.low[c] + 255 * value.scale[c]);
  f.op = "input";
  for (NodeId id : fp32.order())
    for (ValueId v : fp32.at(id).outputs)
      if (v != kNoValue && fp32.at(v).name == value.name) f.op = fp32.at(id).op;
  const ValueProfile* seen = profile.find(by_columns(value.name));
  if (!seen) seen = profile.find(value.name);
  if (!seen) return f;
  f.least = seen->lowest();
  f.most = seen->highest();
  f.channels = seen->channels();
  Histogram all;
  for (const Histogram& h : seen->histograms) all.merge(h);
  f.histogram = all.bins();
  return f;
}

}  // namespace

Result<std::vector<LayerFigures>> layer_figures(const Graph& fp32, const Graph& int8, const QuantReport& report,
                                                const Profile& profile, std::span<const std::vector<Tensor>> inputs) {
  std::vector<const QuantValue*> values;
  std::vector<std::string> reals, bytes;
  for (const QuantValue& value : report.values) {
    if (!find_value(fp32, value.name) || !find_value(int8, value.name + "_quantized")) continue;
    values.push_back(&value);
    reals.push_back(value.name);
    bytes.push_back(value.name + "_quantized");
  }
  QL_TRY(Exposed a, Exposed::make(fp32, reals));
  QL_TRY(Exposed b, Exposed::make(int8, bytes));
  std::vector<Sums> sums(values.size());
  for (const std::vector<Tensor>& input : inputs) {
    QL_CHECK_OK(a.run(input));
    QL_CHECK_OK(b.run(input));
    for (size_t i = 0; i < values.size(); ++i) add(a.value(i), b.value(i), *values[i], sums[i]);
  }
  std::vector<LayerFigures> figures;
  for (size_t i = 0; i < values.size(); ++i) {
    figures.push_back(describe(fp32, *values[i], profile));
    figures[i].sqnr_db = sums[i].values.sqnr_db();
    figures[i].saturated = sums[i].count > 0 ? sums[i].beyond / sums[i].count : 0;
  }
  return figures;
}

}  // namespace quadlane::tools
