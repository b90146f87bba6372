#include "tools/accuracy/side_by_side.h"

namespace quadlane::tools {

Status side_by_side(const NamedValue& a, const NamedValue& b, std::span<const Sample> samples,
                    const CalibrationSource& source, const std::function<void(const Tensor&, const Tensor&)>& seen) {
  QL_TRY(Exposed left, Exposed::make(a.graph, {a.name}));
  QL_TRY(Exposed right, Exposed::make(b.graph, {b.name}));
  for (const Sample& sample : samples) {
    QL_TRY(auto inputs, read_samples(sample, a.graph, source));
    for (const std::vector<Tensor>& input : inputs) {
      QL_CHECK_OK(left.run(input));
      QL_CHECK_OK(right.run(input));
      seen(left.value(0), right.value(0));
    }
  }
  return {};
}

}  // namespace quadlane::tools
