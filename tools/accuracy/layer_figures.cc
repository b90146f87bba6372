#include "tools/accuracy/layer_figures.h"

#include <algorithm>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "graph/quant/products.h"
#include "tools/accuracy/exposed.h"
#include "tools/cli/level_deviation.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

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
    if (!fp32.find(value.name) || !int8.find(bytes_of(value.name))) continue;
    values.push_back(&value);
    reals.push_back(value.name);
    bytes.push_back(bytes_of(value.name));
  }
  QL_TRY(Exposed a, Exposed::make(fp32, reals));
  QL_TRY(Exposed b, Exposed::make(int8, bytes));
  std::vector<LevelDeviation> sums(values.size());
  for (const std::vector<Tensor>& input : inputs) {
    QL_CHECK_OK(a.run(input));
    QL_CHECK_OK(b.run(input));
    for (size_t i = 0; i < values.size(); ++i) sums[i].add(a.value(i), b.value(i), *values[i]);
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
