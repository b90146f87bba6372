// Reading QuantizeLinear and DequantizeLinear around an operator.
#pragma once
#include <functional>

#include "graph/passes/rewrite.h"

namespace quadlane {

// real = (q - zero) * scale; one element for all, or one for each channel (axis 1).
struct QuantParams {
  std::vector<float> scale;
  std::vector<int32_t> zero;

  bool operator==(const QuantParams&) const = default;
  bool per_tensor() const { return scale.size() == 1 && zero.size() == 1; }
  bool one_scale() const;  // all scales are equal
};

// The constant parameters of a QuantizeLinear or DequantizeLinear node, for all (written once, or equal along any axis)
// or along `axis`. Empty when they are something else.
std::optional<QuantParams> constant_params(const Graph&, const Node&, int64_t axis);

// A QuantizeLinear or DequantizeLinear whose constant parameters are all equal, with scalars in the place of lists, so
// that no axis matters.
Node with_scalar_params(Graph&, Node);
// The first element of a constant, as a scalar.
Tensor first_element(const Tensor&);

// A value that is DequantizeLinear(q) of a u8 activation with constant parameters.
struct Dequantized {
  ValueId q = kNoValue;
  QuantParams params;
  float scale() const { return params.scale[0]; }
  int32_t zero() const { return params.zero[0]; }
};
std::optional<Dequantized> dequantized(const Graph&, ValueId v);
// The same, for one scale and zero point only.
std::optional<Dequantized> dequantized_per_tensor(const Graph&, ValueId v);

// What becomes of a value: an optional Relu or Clip, then QuantizeLinear to u8 with one scale, nothing else reading any
// of it. Quantization is monotonic, so the clamp moves behind it exactly: into lo and hi.
struct QuantizedOutput {
  ValueId q = kNoValue;  // the u8 value
  float scale = 1;
  int32_t zero = 0, lo = 0, hi = 255;
  std::vector<float> channel_scale;  // one for each channel instead of `scale`; only where asked for

  float scale_of(size_t c) const { return channel_scale.empty() ? scale : channel_scale[c]; }
};
enum class Scales : uint8_t { one, channels };
std::optional<QuantizedOutput> quantized_output(const Graph&, ValueId v, Scales allowed = Scales::one);
// The same for one QuantizeLinear node.
std::optional<QuantizedOutput> as_quantizer(const Graph&, const Node&, Scales allowed = Scales::one);

// Narrows the output by a Relu or Clip in front of its quantization; false for any other node.
bool clamp_output(const Graph&, const Node& act, QuantizedOutput&);

// Sets out_zero, out_lo and out_hi.
void set_output_range(Node&, const QuantizedOutput&);

// Bytes less their zero point, one for all or one for each index of `axis`: s8 where all of them fit, else s16 in
// -255..255. Empty when `q` holds no bytes.
std::optional<Tensor> centered_bytes(const Tensor& q, const std::vector<int32_t>& zero, size_t axis);

// DequantizeLinear(const) as weights of zero point 0 and a scale for each index of `axis`. Empty when they are
// something else than bytes.
struct IntegerWeights {
  Tensor values;             // s8 or s16, see above
  std::vector<float> scale;  // one for each index of the axis
};
std::optional<IntegerWeights> integer_weights(const Graph&, ValueId v, size_t axis);

// The elements of an f32 constant, or of a constant that is dequantized by one scale or one for each element. Empty
// when it is something else.
std::vector<double> real_constant(const Graph&, ValueId v);

// Whether |bias| + 255 * sum |w| stays below 2^31 for every output, so that no sum of products with bytes leaves int32.
// output_of(i): the output that weight element i belongs to.
bool sums_fit_int32(const Tensor& w, const std::vector<int32_t>& bias, const std::function<size_t(size_t)>& output_of);

}  // namespace quadlane
