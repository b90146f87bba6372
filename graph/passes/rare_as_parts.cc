// rare_as_parts: ReduceLogSum  =>  Log(ReduceSum)
//
// Operators that few networks have become those that have kernels:
//
//   ReduceLogSumExp      m + Log(ReduceSum(Exp(x - m))), m the largest element, bounded so that infinities subtract
//   GlobalLpPool         ReduceL1, ReduceL2 over the pixels
//   LpNormalization      x / ReduceL1 or ReduceL2, which is bounded above 0; images along channels have a kernel,
//                        unless they are the graph's inputs
//   LpPool, p 1 or 2     |x| or x * x -> AveragePool that counts padding -> times the taps (-> Sqrt)
//   Trilu                Where with the triangle
#include <limits>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

// Adds the parts of one node; the last one is returned and takes its place.
class Parts {
 public:
  Parts(Graph& g, const OpTable& ops, const Node& node) : g_(g), ops_(ops), node_(node) {}

  Result<std::optional<Node>> make() {
    if (g_[node_.output()].type.count() == 0) return std::optional<Node>();
    if (node_.op == "Trilu") return triangle();
    if (g_[node_.input(0)].type.dtype != DType::f32) return std::optional<Node>();
    if (node_.op == "ReduceLogSum") return log_sum();
    if (node_.op == "ReduceLogSumExp") return log_sum_exp();
    if (node_.op == "GlobalLpPool") return global_pool();
    if (node_.op == "LpNormalization") return normalization();
    if (node_.op == "LpPool") return pool();
    return std::optional<Node>();
  }

 private:
  Node part(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) const {
    return {node_.name, op, std::move(attrs), std::move(inputs)};
  }
  Result<ValueId> add(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    Node node = part(op, std::move(inputs), std::move(attrs));
    node.name += cat(".", op);
    return add_op(g_, ops_, std::move(node));
  }
  ValueId number(float v) { return g_.add_constant(node_.name + ".number", Tensor::scalar(v)); }
  Result<ValueId> reduce(const char* op, ValueId x, bool keeps) {
    Attrs attrs = node_.attrs;
    if (keeps) attrs.set("keepdims", int64_t{1});
    std::vector<ValueId> inputs = node_.inputs;
    inputs[0] = x;
    return add(op, std::move(inputs), std::move(attrs));
  }

  Result<std::optional<Node>> log_sum() {
    QL_TRY(ValueId sum, reduce("ReduceSum", node_.input(0), false));
    return std::optional(part("Log", {sum}));
  }

  Result<std::optional<Node>> log_sum_exp() {
    constexpr float kLargest = std::numeric_limits<float>::max();
    auto most = [&](bool keeps) -> Result<ValueId> {
      QL_TRY(ValueId m, reduce("ReduceMax", node_.input(0), keeps));
      return add("Clip", {m, number(-kLargest), number(kLargest)});
    };
    QL_TRY(ValueId along, most(true));
    QL_TRY(ValueId apart, most(false));
    QL_TRY(ValueId less, add("Sub", {node_.input(0), along}));
    QL_TRY(ValueId power, add("Exp", {less}));
    QL_TRY(ValueId sum, reduce("ReduceSum", power, false));
    QL_TRY(ValueId log, add("Log", {sum}));
    return std::optional(part("Add", {log, apart}));
  }

  ValueId ints(const std::vector<int64_t>& values) {
    return g_.add_constant(node_.name + ".axes", Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }

  Result<std::optional<Node>> normalization() {
    const auto rank = static_cast<int64_t>(g_[node_.input(0)].type.shape.size());
    int64_t axis = node_.attrs.int_or("axis", -1);
    if (axis < 0) axis += rank;
    if (rank == 4 && axis == 1 && g_.producer(node_.input(0))) return std::optional<Node>();
    const bool magnitudes = node_.attrs.int_or("p", 2) == 1;
    QL_TRY(ValueId norm, add(magnitudes ? "ReduceL1" : "ReduceL2", {node_.input(0), ints({axis})}));
    QL_TRY(norm, add("Clip", {norm, number(std::numeric_limits<float>::min())}));
    return std::optional(part("Div", {node_.input(0), norm}));
  }

  Result<std::optional<Node>> global_pool() {
    const int64_t p = node_.attrs.int_or("p", 2);
    if (p > 2) return std::optional<Node>();
    std::vector<int64_t> axes;
    for (size_t i = 2; i < g_[node_.input(0)].type.shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
    return std::optional(part(p == 1 ? "ReduceL1" : "ReduceL2", {node_.input(0), ints(axes)}));
  }

  Result<std::optional<Node>> pool() {
    const int64_t p = node_.attrs.int_or("p", 2);
    if (p > 2 || node_.attrs.int_or("ceil_mode", 0)) return std::optional<Node>();  // taps beyond the padding
    double taps = 1;
    for (int64_t extent : node_.attrs.ints_or("kernel_shape", {})) taps *= static_cast<double>(extent);
    Attrs attrs = node_.attrs;
    attrs.erase("p");
    attrs.set("count_include_pad", int64_t{1});
    const ValueId x = node_.input(0);
    QL_TRY(ValueId v, p == 1 ? add("Abs", {x}) : add("Mul", {x, x}));
    QL_TRY(v, add("AveragePool", {v}, std::move(attrs)));
    if (p == 1) return std::optional(part("Mul", {v, number(static_cast<float>(taps))}));
    QL_TRY(v, add("Mul", {v, number(static_cast<float>(taps))}));
    return std::optional(part("Sqrt", {v}));
  }

  Result<std::optional<Node>> triangle() {
    constexpr int64_t kMostElements = int64_t{1} << 24;
    const TensorType& type = g_[node_.input(0)].type;
    const int64_t rows = type.shape[type.shape.size() - 2], columns = type.shape.back();
    const Tensor* diagonal = g_.constant(node_.input(1));
    if ((node_.input(1) != kNoValue && !diagonal) || rows * columns > kMostElements) return std::optional<Node>();
    const int64_t k = std::clamp<int64_t>(diagonal ? element_as_int(diagonal->view(), 0) : 0, -rows, columns);
    const bool upper = node_.attrs.int_or("upper", 1) != 0;
    QL_TRY(Tensor kept, Tensor::allocate({DType::boolean, {rows, columns}}));
    for (int64_t i = 0; i < rows * columns; ++i) {
      const int64_t row = i / columns, column = i % columns;
      kept.mutate<uint8_t>()[i] = upper ? column >= row + k : column <= row + k;
    }
    QL_TRY(Tensor zero, Tensor::allocate({type.dtype, {}}));
    const ValueId mask = g_.add_constant(node_.name + ".triangle", std::move(kept));
    return std::optional(part("Where", {mask, node_.input(0), g_.add_constant(node_.name + ".zero", std::move(zero))}));
  }

  Graph& g_;
  const OpTable& ops_;
  const Node node_;
};

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    if (!is_one_of(g[id].op, {"ReduceLogSum", "ReduceLogSumExp", "GlobalLpPool", "LpNormalization", "LpPool", "Trilu"}))
      continue;
    const ValueId old = g[id].output();
    QL_TRY(std::optional<Node> node, Parts(g, ops, g[id]).make());
    if (!node) continue;
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, old, *std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kRareAsParts{"rare_as_parts", "ReduceLogSumExp, LpPool, Trilu, ... => operators that have kernels", run};

}  // namespace quadlane
