#include "graph/quant/quadlane_products.h"

#include <algorithm>
#include <cmath>

#include "graph/macs.h"
#include "graph/quant/any_weights.h"
#include "graph/quant/bounds.h"
#include "graph/quant/products.h"

namespace quadlane {
namespace {

// Of fewer columns than a register has lanes too little is computed for what reading the input as bytes costs.
constexpr int64_t kFewestColumns = 16;

// Adds to the constant that is added behind a product, one element for each column; false where there is none.
bool add_to_addend(Graph& g, const Node& product, const std::vector<double>& more) {
  const NodeId user = only_user(g, product.output());
  if (user == kNoNode || g[user].op != "Add") return false;
  const size_t side = g[user].input(0) == product.output() ? 1 : 0;
  const ValueId old = g[user].input(side);
  std::vector<double> sum = floats_of(g, old);
  if (sum.size() != more.size() || g[old].type.shape.back() != g[old].type.count()) return false;
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
  g.set_input(user, side, add_floats(g, product.name + ".bias", g[old].type.shape, sum));
  return true;
}

bool is_product(const Node& node) { return is_one_of(node.op, {"MatMul", "Gemm"}); }

}  // namespace

const char* QuantProducts::reason_for_fp32(const Node& node, const StoragePlan& storage) const {
  if (policy_.keep_f32.count(node.name)) return policy_.why_kept(node.name);
  if (fp32_[node.output()].type.shape.back() < kFewestColumns)
    return "stays in fp32: its few columns would not pay for reading the input as bytes";
  if (storage.stored.count(node.input(0))) return "stays in fp32: convolutions read its input, in levels of theirs";
  return nullptr;
}

Status QuantProducts::plan(const StoragePlan& storage, QuantReport& report) {
  double all = 0, computed = 0;
  int others = 0;
  for (NodeId id : fp32_.order()) {
    const Node& node = fp32_[id];
    const double macs = macs_of(fp32_, node);
    all += macs;
    if (!is_product(node)) continue;
    if (!is_quantizable_product(fp32_, node)) {
      ++others, computed += macs;
      continue;
    }
    ++report.layers;
    if (const char* why = reason_for_fp32(node, storage)) {
      report.notes.push_back(cat(node.name, ": ", why));
      continue;
    }
    QL_CHECK_OK(store(node.input(0), report));
    report.int8.push_back(node.name);
    products_.insert(id);
  }
  if (others > 0)
    report.notes.push_back(cat(others, " products without a matrix of constant weights stay in fp32, ",
                               std::lround(100 * computed / std::max(all, 1.0)), " % of the multiplications"));
  return {};
}

const ValueProfile* QuantProducts::columns_of(ValueId x) const {
  const Value& value = fp32_[x];
  return profile_.find(value.type.shape.size() > 2 ? by_columns(value.name) : value.name);
}

Status QuantProducts::store(ValueId x, QuantReport& report) {
  if (stored_.count(x)) return {};
  const std::string& name = fp32_[x].name;
  const ValueProfile* seen = columns_of(x);
  if (!seen) return invalid_argument("the calibration profile has no value '", name, "', or not for its columns");
  QL_TRY(std::vector<Range> chosen, policy_.ranges(name, *seen, true));
  if (fp32_.producer(x)) add_headroom(policy_.headroom, *seen, chosen, bounds_of(fp32_, x));
  const ByteScale bytes = byte_scale({std::min(0.0, chosen[0].low), std::max(0.0, chosen[0].high)});
  stored_[x] = bytes;
  report.values.push_back({name, {bytes.scale}, {bytes.low()}, !fp32_.producer(x), bounds_of(fp32_, x)});
  return {};
}

ValueId QuantProducts::bytes_of(ValueId x, ValueId now, QdqEmitter& emit) {
  auto [known, first] = real_.try_emplace(x, kNoValue);
  if (first) {
    const ByteScale& bytes = stored_.at(x);
    const std::string& name = fp32_[x].name;
    const ValueId q = emit.quantize(now, {bytes.scale}, {bytes.zero}, name + "_quantized");
    known->second = emit.dequantize(q, {bytes.scale}, {bytes.zero}, name + "_dequantized");
  }
  return known->second;
}

Result<ValueId> QuantProducts::write(NodeId id, Graph& g, QdqEmitter& emit) {
  Node node = g[id];
  const ValueId x = fp32_[id].input(0);
  const std::vector<double> means = policy_.bias_correction ? columns_of(x)->mean : std::vector<double>();
  const RoundedWeights rounded = round_weights(fp32_, fp32_[id], 0, means);
  node.inputs[0] = bytes_of(x, node.input(0), emit);
  node.inputs[1] = emit.constant<int8_t>(rounded.weights, rounded.scale, rounded.axis, node.name + ".weight");
  const std::string name = fp32_[fp32_[id].output()].name + "_int8";
  const Shape columns{static_cast<int64_t>(rounded.scale.size())};
  if (rounded.bias.empty()) return emit.op(std::move(node), name);
  if (node.op == "Gemm") {
    node.inputs.resize(3, kNoValue);
    node.inputs[2] = add_floats(g, node.name + ".bias", columns, rounded.bias);
    return emit.op(std::move(node), name);
  }
  if (add_to_addend(g, node, rounded.bias)) return emit.op(std::move(node), name);
  const ValueId addend = add_floats(g, node.name + ".bias", columns, rounded.bias);
  const std::string product = node.name;
  return emit.op({product + ".corrected", "Add", {}, {emit.op(std::move(node)), addend}}, name);
}

}  // namespace quadlane
