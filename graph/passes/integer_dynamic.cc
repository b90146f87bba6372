// integer_dynamic: ConvInteger(q, w, zx, zw) -> Cast -> Mul(sx * sw) [-> Add b]
//                    =>  ql.Conv(q, w - zw, mult = sw, x_scale = sx, x_zero = zx, shift = b)
//
// Dynamic quantization: sx and zx are scalars that DynamicQuantizeLinear finds out at run time (both may as well be
// constants). float(sum (q - zx) (w - zw)) * (sx * sw) + b, term by term what the nodes compute. Declined: weights or
// zw that are no constants, an s32 result that something else reads, sums that might leave int32.
#include "graph/passes/conv_node.h"
#include "graph/passes/list.h"
#include "graph/passes/quant_match.h"

namespace quadlane {
namespace {

// The factor behind the sum: a constant for each channel, times a scalar known at run time only (or none).
struct Factor {
  std::vector<double> channels;
  ValueId scalar = kNoValue;
};

std::optional<Factor> read_factor(const Graph& g, ValueId v, const Shape& like) {
  if (auto constant = channel_constant(g, v, like)) return Factor{*constant, kNoValue};
  auto is_scalar = [&](ValueId scalar) { return g[scalar].type == TensorType{DType::f32, {}}; };
  const Node* product = producer_of(g, v, "Mul");
  if (!product && is_scalar(v)) return Factor{std::vector<double>(static_cast<size_t>(like[1]), 1.0), v};
  if (!product) return {};
  for (size_t side : {0u, 1u}) {
    auto constant = channel_constant(g, product->input(side), like);
    if (constant && is_scalar(product->input(1 - side))) return Factor{*constant, product->input(1 - side)};
  }
  return {};
}

// The other input of the only node that reads v, when that node is an `op` of two inputs.
std::optional<ValueId> other_operand(const Graph& g, NodeId user, ValueId v, std::string_view op) {
  if (user == kNoNode || g[user].op != op || g[user].inputs.size() != 2) return {};
  return g[user].input(g[user].input(0) == v ? 1 : 0);
}

struct DynamicConv {
  Window2d window;
  Tensor w;
  Factor factor;
  std::vector<double> shift;  // empty: none
  ValueId last = kNoValue;    // what the new node replaces
};

std::vector<int32_t> byte_constants(const Graph& g, ValueId v) {
  if (v == kNoValue) return {0};
  const Tensor* t = g.constant(v);
  std::vector<int32_t> values;
  for (int64_t i = 0; t && i < t->count(); ++i) values.push_back(static_cast<int32_t>(element_as_int(t->view(), i)));
  return values;
}

bool zero_is_usable(const Graph& g, const Node& conv, const Factor& factor) {
  const ValueId zero = conv.input(2);
  const bool known = zero == kNoValue || g.constant(zero);
  return known == (factor.scalar == kNoValue) && (known || g[zero].type.shape.empty());
}

std::optional<DynamicConv> match(const Graph& g, const Node& conv) {
  if (g[conv.input(0)].type.dtype != DType::u8 || g.constant(conv.input(0))) return {};
  std::optional<Window2d> window = window2d(g, conv);
  const Tensor* w = g.constant(conv.input(1));
  if (!window || !w || w->count() == 0) return {};
  std::optional<Tensor> centered = centered_bytes(*w, byte_constants(g, conv.input(3)), 0);
  const size_t outputs = static_cast<size_t>(w->shape()[0]), per_output = static_cast<size_t>(w->count()) / outputs;
  if (!centered ||
      !sums_fit_int32(*centered, std::vector<int32_t>(outputs, 0), [&](size_t i) { return i / per_output; }))
    return {};
  NodeId cast = only_user(g, conv.output());
  if (cast == kNoNode || g[cast].op != "Cast" || g[g[cast].output()].type.dtype != DType::f32) return {};
  const ValueId sum = g[cast].output();
  NodeId scaled = only_user(g, sum);
  std::optional<ValueId> by = other_operand(g, scaled, sum, "Mul");
  std::optional<Factor> factor = by ? read_factor(g, *by, g[sum].type.shape) : std::nullopt;
  if (!factor || g[g[scaled].output()].type != g[sum].type || !zero_is_usable(g, conv, *factor)) return {};
  DynamicConv d{*window, *std::move(centered), *factor, {}, g[scaled].output()};
  NodeId added = only_user(g, d.last);
  if (std::optional<ValueId> bias = other_operand(g, added, d.last, "Add"))
    if (auto shift = channel_constant(g, *bias, g[sum].type.shape); shift && g[g[added].output()].type == g[sum].type) {
      d.shift = *shift;
      d.last = g[added].output();
    }
  return d;
}

Node make_node(Graph& g, const Node& conv, const DynamicConv& d) {
  Node node = make_ql_conv(conv, d.window);
  node.op = "ql.Conv";
  node.inputs.resize(kConvShift + 1, kNoValue);
  const Shape channels{d.w.shape()[0]};
  const size_t outputs = static_cast<size_t>(channels[0]), inputs = static_cast<size_t>(g[conv.input(0)].type.shape[1]);
  node.inputs[kConvW] = g.add_constant(conv.name + ".w", d.w);
  node.inputs[kConvBias] =
      g.add_constant(conv.name + ".bias", Tensor::from<int32_t>(channels, std::vector<int32_t>(outputs, 0)));
  node.inputs[kConvMult] = add_floats(g, conv.name + ".mult", channels, d.factor.channels);
  if (!d.shift.empty()) node.inputs[kConvShift] = add_floats(g, conv.name + ".shift", channels, d.shift);
  if (d.factor.scalar != kNoValue) {
    node.inputs[kConvXScale] = d.factor.scalar;
    node.inputs[kConvXZero] = conv.input(2);
  } else if (const int32_t zero = byte_constants(g, conv.input(2))[0]; zero != 0) {
    std::vector<uint8_t> z(inputs, static_cast<uint8_t>(zero));
    node.inputs[kConvZ] = g.add_constant(conv.name + ".z", Tensor::from<uint8_t>({static_cast<int64_t>(inputs)}, z));
  }
  node.attrs.set("dtype", std::string("f32"));
  return node;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "ConvInteger") continue;
    Node conv = g[id];
    std::optional<DynamicConv> d = match(g, conv);
    if (!d) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, d->last, make_node(g, conv, *d)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kIntegerDynamic{"integer_dynamic", "ConvInteger -> Cast -> Mul -> Add => ql.Conv with a run-time scale",
                           run};

}  // namespace quadlane
