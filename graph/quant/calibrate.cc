#include "graph/quant/calibrate.h"

namespace quadlane {

Evaluate reference_evaluator(const Graph& graph, const OpTable& ops) {
  return [&graph, &ops](std::span<const Tensor> inputs, const std::function<void(ValueId, const Tensor&)>& observe) {
    auto outputs = interpret(graph, ops, inputs, observe);
    return outputs.ok() ? ok_status() : Status(outputs.error());
  };
}

Status Calibrator::add(std::span<const Tensor> inputs) {
  Profile sample(profile_.histograms());  // merged only when the whole run succeeded
  Status failed;
  auto observe = [&](ValueId id, const Tensor& t) {
    if (!failed.ok() || t.dtype() != DType::f32 || t.count() == 0) return;
    failed = sample.observe(graph_[id].name, t, parallel_);
    if (!failed.ok() || !columns_.count(id)) return;
    const int64_t columns = t.shape().back();
    failed = sample.observe(by_columns(graph_[id].name), t.reshaped({t.count() / columns, columns}), parallel_);
  };
  QL_CHECK_OK(evaluate_(inputs, observe));
  QL_CHECK_OK(std::move(failed));
  QL_CHECK_OK(profile_.merge(sample));
  profile_.add_sample();
  return {};
}

}  // namespace quadlane
