// Writing QuantizeLinear and DequantizeLinear nodes.
#pragma once
#include "graph/passes/rewrite.h"

namespace quadlane {

// Adds nodes to one graph; the first failure is kept and makes every further call do nothing.
class QdqEmitter {
 public:
  QdqEmitter(Graph& g, const OpTable& ops) : g_(g), ops_(ops) {}

  // One parameter, or one for each channel (axis 1): vectors whose elements are all equal become scalars.
  ValueId quantize(ValueId x, const std::vector<float>& scale, const std::vector<int32_t>& zero,
                   const std::string& name);
  ValueId dequantize(ValueId q, const std::vector<float>& scale, const std::vector<int32_t>& zero,
                     const std::string& name);
  // DequantizeLinear of a constant of type T (s8 weights or s32 bias) with zero point 0.
  template <class T>
  ValueId constant(const Tensor& q, const std::vector<float>& scale, int64_t axis, const std::string& name) {
    return dequantized_constant(
        q, scale, axis, name,
        Tensor::from<T>(Shape{static_cast<int64_t>(scale.size())}, std::vector<T>(scale.size(), 0)));
  }
  ValueId op(Node node, const std::string& output_name = {});

  Status status() const { return failed_ ? Status(*failed_) : Status(); }

 private:
  ValueId dequantized_constant(const Tensor& q, const std::vector<float>& scale, int64_t axis, const std::string& name,
                               Tensor zero);
  ValueId linear(const char* op, ValueId x, std::vector<float> scale, std::vector<int32_t> zero,
                 const std::string& name);
  Graph& g_;
  const OpTable& ops_;
  std::optional<Error> failed_;
};

}  // namespace quadlane
