#include "graph/quant/emit.h"

#include <algorithm>

namespace quadlane {
namespace {

template <class T>
bool all_equal(const std::vector<T>& values) {
  return std::all_of(values.begin(), values.end(), [&](T v) { return v == values[0]; });
}

}  // namespace

ValueId QdqEmitter::op(Node node, const std::string& output_name) {
  if (failed_) return kNoValue;
  Result<ValueId> added = add_op(g_, ops_, std::move(node), output_name);
  if (added.ok()) return *added;
  failed_ = added.error();
  return kNoValue;
}

ValueId QdqEmitter::linear(const char* op_name, ValueId x, std::vector<float> scale, std::vector<int32_t> zero,
                           const std::string& name) {
  Node node{name, op_name};
  Shape shape;
  if (all_equal(scale) && all_equal(zero)) {
    scale.resize(1);
    zero.resize(1);
  } else {
    size_t channels = std::max(scale.size(), zero.size());
    if (scale.size() == 1) scale.resize(channels, scale[0]);
    if (zero.size() == 1) zero.resize(channels, zero[0]);
    shape = {static_cast<int64_t>(channels)};
    node.attrs.set("axis", int64_t{1});
  }
  node.inputs = {
      x, g_.add_constant(name + "_scale", Tensor::from<float>(shape, scale)),
      g_.add_constant(name + "_zero", Tensor::from<uint8_t>(shape, std::vector<uint8_t>(zero.begin(), zero.end())))};
  return op(std::move(node));
}

ValueId QdqEmitter::quantize(ValueId x, const std::vector<float>& scale, const std::vector<int32_t>& zero,
                             const std::string& name) {
  return linear("QuantizeLinear", x, scale, zero, name);
}

ValueId QdqEmitter::dequantize(ValueId q, const std::vector<float>& scale, const std::vector<int32_t>& zero,
                               const std::string& name) {
  return linear("DequantizeLinear", q, scale, zero, name);
}

ValueId QdqEmitter::dequantized_constant(const Tensor& q, const std::vector<float>& scale, int64_t axis,
                                         const std::string& name, Tensor zero) {
  Node node{name, "DequantizeLinear"};
  node.attrs.set("axis", axis);
  node.inputs = {g_.add_constant(name + "_q", q),
                 g_.add_constant(name + "_scale", Tensor::from<float>({static_cast<int64_t>(scale.size())}, scale)),
                 g_.add_constant(name + "_zero", std::move(zero))};
  return op(std::move(node));
}

}  // namespace quadlane
