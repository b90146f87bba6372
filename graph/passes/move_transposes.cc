// move_transposes: Relu(Transpose(x))  =>  Transpose(Relu(x));  Transpose(Mul(x, k))  =>  Mul(Transpose(x), k')
//
// Graphs from frameworks that keep channels last stand between transpositions: behind each convolution its result gets
// channels last, in front of the next one channels first again. What is between does not care where channels are once
// its axes and constants are renumbered. So transpositions to channels last move towards the outputs, those to channels
// first towards the inputs; where two meet, merge_reshapes and remove_identities take both away.
//
// A transposition gives axis a of its result axis perm[a] of its operand; an axis, a list of pads and a constant that
// is broadcast follow by the same numbers.
#include <algorithm>
#include <numeric>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

bool is_quantizer(const Node& node) { return is_one_of(node.op, {"QuantizeLinear", "DequantizeLinear"}); }
bool takes_any_layout(const Node& node) {
  return node.outputs.size() == 1 && (is_elementwise(node.op) || is_quantizer(node) ||
                                      is_one_of(node.op, {"Cast", "Concat", "Pad", "Softmax", "LogSoftmax",
                                                          "ReduceMean", "ReduceMax", "ReduceSum"}));
}

// 0, 2, ..., r - 1, 1 or its inverse 0, r - 1, 1, ..., r - 2; empty for another node.
Ints channels_to(const Node& node, bool last) {
  const Ints perm = node.op == "Transpose" ? node.attrs.ints_or("perm", {}) : Ints{};
  if (perm.size() < 3) return {};
  Ints wanted(perm.size());
  std::iota(wanted.begin(), wanted.end(), int64_t{0});
  last ? std::rotate(wanted.begin() + 1, wanted.begin() + 2, wanted.end())
       : std::rotate(wanted.begin() + 1, wanted.end() - 1, wanted.end());
  return perm == wanted ? perm : Ints{};
}

Ints inverse(const Ints& perm) {
  Ints back(perm.size());
  for (size_t a = 0; a < perm.size(); ++a) back[static_cast<size_t>(perm[a])] = static_cast<int64_t>(a);
  return back;
}

class Mover {
 public:
  Mover(Graph& g, const OpTable& ops, const Node& node, const Ints& perm)
      : g_(g), ops_(ops), node_(node), perm_(perm), rank_(perm.size()) {}

  // The node on operands before the transposition, which moved() gives. Empty where it cannot be.
  template <class Moved>
  Result<std::optional<Node>> before(const Moved& moved) {
    Node node = node_;
    if (!renumber(node)) return std::optional<Node>();
    const size_t values =
        is_quantizer(node) || !(is_elementwise(node.op) || node.op == "Concat") ? 1 : node.inputs.size();
    for (size_t i = 0; i < values; ++i)
      if (!can_move(node.inputs[i], moved)) return std::optional<Node>();
    for (size_t i = 0; i < values; ++i) {
      QL_TRY(node.inputs[i], move(node.inputs[i], moved));
    }
    node.outputs.clear();
    return std::optional(std::move(node));
  }

  Result<ValueId> transposed(ValueId v, const Ints& perm) {
    Node node{node_.name, "Transpose", {}, {v}, {}};
    node.attrs.set("perm", perm);
    return add_op(g_, ops_, std::move(node));
  }

 private:
  bool one_element(ValueId v) const { return v == kNoValue || g_[v].type.count() == 1; }
  // Of a value with channels last: only its channels (and images) are more than one.
  bool one_pixel(ValueId v) const {
    const Shape& s = g_[v].type.shape;
    return s.size() == rank_ && std::all_of(s.begin() + 1, s.end() - 1, [](int64_t e) { return e == 1; });
  }
  template <class Moved>
  bool can_move(ValueId v, const Moved& moved) const {
    if (one_element(v) || moved(v) != kNoValue) return true;
    if (g_.constant(v)) return g_[v].type.shape.size() <= rank_;
    return one_pixel(v);
  }
  template <class Moved>
  Result<ValueId> move(ValueId v, const Moved& moved) {
    if (one_element(v) && moved(v) == kNoValue) return v;
    if (const ValueId given = moved(v); given != kNoValue) return given;
    if (Shape shape = g_[v].type.shape; shape.size() < rank_) {
      shape.insert(shape.begin(), rank_ - shape.size(), 1);
      const ValueId target =
          g_.add_constant(node_.name + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(rank_)}, shape));
      QL_TRY(v, add_op(g_, ops_, Node{node_.name, "Reshape", {}, {v, target}, {}}));
    }
    return transposed(v, inverse(perm_));
  }

  int64_t axis_before(int64_t axis) const {
    const auto rank = static_cast<int64_t>(rank_);
    return perm_[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
  }
  bool renumber(Node& node) {
    if (is_quantizer(node)) {
      if (node.attrs.int_or("block_size", 0) != 0) return false;
      if (g_[node.input(1)].type.count() != 1) node.attrs.set("axis", axis_before(node.attrs.int_or("axis", 1)));
      return true;
    }
    if (node.op == "Concat" || node.op == "Softmax" || node.op == "LogSoftmax") {
      node.attrs.set("axis", axis_before(node.attrs.int_or("axis", -1)));
      return true;
    }
    if (node.op == "Pad") return renumber_pads(node);
    return node.op.starts_with("Reduce") ? renumber_axes(node) : true;
  }
  bool renumber_pads(Node& node) {
    const Tensor* pads = g_.constant(node.input(1));
    if (!pads || node.input(3) != kNoValue) return false;
    const Ints given = to_ints(pads->view());
    Ints before(2 * rank_);
    for (size_t a = 0; a < rank_; ++a)
      for (size_t end : {size_t{0}, rank_}) before[static_cast<size_t>(perm_[a]) + end] = given[a + end];
    node.inputs[1] = ints(before);
    return true;
  }
  bool renumber_axes(Node& node) {
    const Tensor* axes = g_.constant(node.input(1));
    if (!axes || node.attrs.int_or("keepdims", 1) != 1) return false;
    Ints before = to_ints(axes->view());
    for (int64_t& axis : before) axis = axis_before(axis);
    std::sort(before.begin(), before.end());
    node.inputs[1] = ints(before);
    return true;
  }
  ValueId ints(const Ints& values) {
    return g_.add_constant(node_.name + ".ints", Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }

  Graph& g_;
  const OpTable& ops_;
  const Node node_;
  const Ints perm_;
  const size_t rank_;
};

// Whether everybody who reads v lets a transposition pass or takes it back.
bool passes_on(const Graph& g, ValueId v) {
  if (g.is_output(v)) return false;
  return std::all_of(g[v].uses.begin(), g[v].uses.end(), [&](const Use& use) {
    const Node& reader = g[use.node];
    return takes_any_layout(reader) || !channels_to(reader, false).empty();
  });
}

// Transpositions to channels last in front of the node go behind it.
Result<bool> sink(Graph& g, const OpTable& ops, NodeId id) {
  const Node node = g[id];
  Ints perm;
  auto transpose_of = [&](ValueId v) -> const Node* {
    const Node* t = v == kNoValue ? nullptr : producer_of(g, v, "Transpose");
    return t && !channels_to(*t, true).empty() && passes_on(g, v) ? t : nullptr;
  };
  for (ValueId v : node.inputs)
    if (const Node* t = transpose_of(v)) perm = channels_to(*t, true);
  if (perm.empty() || g[node.output()].type.shape.size() != perm.size()) return false;
  Mover mover(g, ops, node, perm);
  QL_TRY(std::optional<Node> moved, mover.before([&](ValueId v) {
    const Node* t = transpose_of(v);
    return t && channels_to(*t, true) == perm ? t->input(0) : kNoValue;
  }));
  if (!moved) return false;
  QL_TRY(ValueId result, add_op(g, ops, *std::move(moved)));
  Node last{node.name, "Transpose", {}, {result}, {}};
  last.attrs.set("perm", perm);
  QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, node.output(), std::move(last)));
  return true;
}

// A transposition to channels first goes in front of the node that alone it reads, where that has one operand.
Result<bool> hoist(Graph& g, const OpTable& ops, NodeId id) {
  const Node transpose = g[id];
  const Ints perm = channels_to(transpose, false);
  const Node* producer = perm.empty() ? nullptr : g.producer(transpose.input(0));
  if (!producer || !g.single_use(transpose.input(0)) || !takes_any_layout(*producer)) return false;
  if (!(is_elementwise(producer->op) || is_quantizer(*producer) || producer->op == "Cast")) return false;
  const Node node = *producer;
  ValueId operand = kNoValue;
  for (size_t i = 0; i < (is_quantizer(node) ? 1 : node.inputs.size()); ++i) {
    const ValueId v = node.inputs[i];
    if (v == kNoValue || g.constant(v)) continue;
    if (operand != kNoValue && operand != v) return false;
    operand = v;
  }
  if (operand == kNoValue || g[operand].type.shape != g[node.output()].type.shape) return false;
  Mover mover(g, ops, node, inverse(perm));
  QL_TRY(ValueId first, mover.transposed(operand, perm));
  QL_TRY(std::optional<Node> moved, mover.before([&](ValueId v) { return v == operand ? first : kNoValue; }));
  if (!moved) {
    g.erase_dead();
    return false;
  }
  QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, transpose.output(), *std::move(moved)));
  return true;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    bool done = false;
    if (takes_any_layout(g[id])) {
      QL_TRY(done, sink(g, ops, id));
    } else if (g[id].op == "Transpose") {
      QL_TRY(done, hoist(g, ops, id));
    }
    rewrites += done;
  }
  return rewrites;
}

}  // namespace

const Pass kMoveTransposes{"move_transposes", "Transpose of channels moves to where it meets its inverse", run};

}  // namespace quadlane
