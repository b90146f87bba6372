// clip_before_quantize: Clip(QuantizeLinear(x), lo, hi)  =>  QuantizeLinear(Clip(x, (lo - zero) * scale, (hi - zero) *
// scale))
//
// So PyTorch writes ranges of 7 bits, and Brevitas all of its ranges. Quantization is monotonic, and the new bounds
// come out as lo and hi themselves (a quotient is off by 2^-23 of at most 511), so the bytes are the same. In front of
// the quantization the clamp merges with a Relu and becomes the bounds of whatever operator computes x.
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

// A bound in levels as a bound of x; kNoValue where it binds nothing. Empty when it is no constant.
std::optional<ValueId> bound_of_x(Graph& g, const Node& clip, size_t input, const QuantParams& p, int32_t extreme) {
  const ValueId given = clip.input(input);
  if (given == kNoValue) return kNoValue;
  const std::optional<double> level = scalar_constant(g, given);
  if (!level) return {};
  if (*level == extreme) return kNoValue;
  const double value = (*level - p.zero[0]) * p.scale[0];
  return g.add_constant(cat(clip.name, input == 1 ? ".min" : ".max"), Tensor::scalar<float>(static_cast<float>(value)));
}

bool proper(const Graph& g, const Node& clip) {
  const std::optional<double> lo = scalar_constant(g, clip.input(1)), hi = scalar_constant(g, clip.input(2));
  return !lo || !hi || *lo <= *hi;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Clip") continue;
    const Node clip = g[id];
    const DType dtype = g[clip.output()].type.dtype;
    const Node* producer = producer_of(g, clip.input(0), "QuantizeLinear");
    if (!producer || (dtype != DType::u8 && dtype != DType::s8) || !g.single_use(clip.input(0))) continue;
    Node quantizer = *producer;
    const std::optional<QuantParams> p = constant_params(g, quantizer, quantizer.attrs.int_or("axis", 1));
    if (!p || !p->per_tensor() || g[quantizer.input(0)].type.dtype != DType::f32 || !proper(g, clip)) continue;
    const bool is_signed = dtype == DType::s8;
    const auto lo = bound_of_x(g, clip, 1, *p, is_signed ? -128 : 0),
               hi = bound_of_x(g, clip, 2, *p, is_signed ? 127 : 255);
    if (!lo || !hi) continue;
    if (*lo != kNoValue || *hi != kNoValue) {
      QL_TRY(quantizer.inputs[0], add_op(g, ops, Node{clip.name, "Clip", {}, {quantizer.input(0), *lo, *hi}, {}}));
    }
    quantizer.outputs.clear();
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, clip.output(), std::move(quantizer)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kClipBeforeQuantize{"clip_before_quantize", "Clip of QuantizeLinear => QuantizeLinear of Clip", run};

}  // namespace quadlane
