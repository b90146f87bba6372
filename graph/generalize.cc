#include "graph/generalize.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace quadlane {
namespace {

bool equal_tensors(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && std::memcmp(a.view().data, b.view().data, a.type().bytes()) == 0;
}

bool equal_attrs(const Attr& a, const Attr& b) {
  if (a.index() != b.index()) return false;
  if (const Tensor* x = std::get_if<Tensor>(&a)) return equal_tensors(*x, std::get<Tensor>(b));
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, Tensor>)
          return false;
        else
          return x == std::get<T>(b);
      },
      a);
}

bool equal_attrs(const Node& a, const Node& b) {
  auto x = a.attrs.begin(), y = b.attrs.begin();
  for (; x != a.attrs.end() && y != b.attrs.end(); ++x, ++y)
    if (x->first != y->first || !equal_attrs(x->second, y->second)) return false;
  return x == a.attrs.end() && y == b.attrs.end();
}

std::vector<int64_t> ints_of(const Tensor& t) { return {t.as<int64_t>(), t.as<int64_t>() + t.count()}; }

// The two graphs node by node.
class Pair {
 public:
  Pair(const Graph& a, const Graph& b) : a_(a), b_(b), result_(a) {}

  Result<Graph> run() {
    const std::vector<NodeId> left = a_.order(), right = b_.order();
    if (left.size() != right.size())
      return unsupported("the graph has ", left.size(), " nodes for one shape of its inputs and ", right.size(),
                         " for another");
    for (size_t i = 0; i < left.size(); ++i) QL_CHECK_OK(visit(left[i], right[i]));
    return std::move(result_);
  }

 private:
  template <class... Parts>
  static Error depends(const Node& node, const Parts&... parts) {
    return unsupported("node '", node.name, "' (", node.op, ") ", parts..., " that depends on the inputs' shapes");
  }

  Status visit(NodeId left, NodeId right) {
    const Node &x = a_.at(left), &y = b_.at(right);
    if (x.op != y.op || x.name != y.name || x.inputs.size() != y.inputs.size()) return depends(x, "has a place");
    if (!equal_attrs(x, y)) return depends(x, "has an attribute");
    for (size_t i = 0; i < x.inputs.size(); ++i) {
      const Tensor *p = a_.constant(x.inputs[i]), *q = b_.constant(y.inputs[i]);
      if (!p != !q || (!p && name(a_, x.inputs[i]) != name(b_, y.inputs[i]))) return depends(x, "has an input");
      if (p && !equal_tensors(*p, *q)) QL_CHECK_OK(adapt(left, x, y, i));
    }
    return {};
  }

  static std::string name(const Graph& g, ValueId v) { return v == kNoValue ? std::string() : g.at(v).name; }

  Status adapt(NodeId id, const Node& x, const Node& y, size_t input) {
    const Tensor &p = *a_.constant(x.input(input)), &q = *b_.constant(y.input(input));
    if (x.op == "Reshape" && input == 1 && p.type() == q.type() && x.attrs.int_or("allowzero", 0) == 0)
      return adapt_reshape(id, x, y, ints_of(p), ints_of(q));
    if (x.op == "Resize" && input == 3 && p.type() == q.type()) return adapt_resize(id, x, y, ints_of(p), ints_of(q));
    return depends(x, "has a constant");
  }

  Status adapt_reshape(NodeId id, const Node& x, const Node& y, std::vector<int64_t> p, const std::vector<int64_t>& q) {
    const Shape &from = a_.at(x.input(0)).type.shape, &also = b_.at(y.input(0)).type.shape;
    int open = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      const bool copied = i < from.size() && i < also.size() && p[i] == from[i] && q[i] == also[i];
      if (p[i] != q[i]) p[i] = copied ? 0 : -1;
      open += p[i] == -1;
    }
    if (open > 1) return depends(x, "makes more than one extent");
    set(id, 1, Tensor::from<int64_t>({static_cast<int64_t>(p.size())}, p));
    return {};
  }

  // Scales are exact only where both sizes are the same whole multiples of the input. Else they are another value's.
  Status adapt_resize(NodeId id, const Node& x, const Node& y, const std::vector<int64_t>& p,
                      const std::vector<int64_t>& q) {
    const Shape &from = a_.at(x.input(0)).type.shape, &also = b_.at(y.input(0)).type.shape;
    std::vector<int64_t> axes = x.attrs.ints_or("axes", {});
    if (axes.empty())
      for (size_t i = 0; i < from.size(); ++i) axes.push_back(static_cast<int64_t>(i));
    std::vector<float> scales;
    for (size_t i = 0; i < p.size() && i < axes.size(); ++i) {
      const size_t axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(from.size()) : axes[i]);
      if (axis >= from.size() || from[axis] < 1 || also[axis] < 1 || p[i] % from[axis] != 0 ||
          q[i] != p[i] / from[axis] * also[axis])
        return take_sizes_of(id, x, y);
      scales.push_back(static_cast<float>(p[i] / from[axis]));
    }
    set(id, 2, Tensor::from<float>({static_cast<int64_t>(scales.size())}, scales));
    result_.set_input(id, 3, kNoValue);
    return {};
  }

  // A value in front of the node that has the result's spatial extents at both shapes: what the result meets in a
  // concat or sum first, then the graph's inputs, then any.
  Status take_sizes_of(NodeId id, const Node& x, const Node& y) {
    const Shape &out = a_.at(x.output()).type.shape, &also = b_.at(y.output()).type.shape,
                &in = a_.at(x.input(0)).type.shape;
    if (out.size() < 3 || out[0] != in[0] || out[1] != in[1] || x.attrs.has("axes")) return depends(x, "has sizes");
    std::vector<ValueId> candidates = siblings(x.output());
    candidates.insert(candidates.end(), a_.inputs().begin(), a_.inputs().end());
    for (NodeId before : a_.order()) {
      if (before == id) break;
      candidates.push_back(a_.at(before).output());
    }
    for (ValueId v : candidates)
      if (spatially(a_.at(v).type.shape, out) && is_before(v, id) && has_extents(name(a_, v), also)) {
        result_.set_attr(id, "sizes_of", name(a_, v));
        return {};
      }
    return depends(x, "has sizes");
  }

  static bool spatially(const Shape& a, const Shape& b) {
    return a.size() == b.size() && std::equal(a.begin() + 2, a.end(), b.begin() + 2);
  }
  bool has_extents(const std::string& value, const Shape& like) {
    if (named_.empty())
      for (uint32_t i = 0; i < b_.value_capacity(); ++i) named_.emplace(b_.at(ValueId{i}).name, ValueId{i});
    const auto found = named_.find(value);
    return found != named_.end() && spatially(b_.at(found->second).type.shape, like);
  }
  bool is_before(ValueId v, NodeId id) {
    if (position_.empty()) {
      size_t next = 0;
      for (NodeId node : a_.order()) position_[node] = next++;
    }
    const NodeId producer = a_.at(v).producer;
    return producer == kNoNode ? !a_.constant(v) : position_.at(producer) < position_.at(id);
  }
  // What v meets, through operators of one operand.
  std::vector<ValueId> siblings(ValueId v) const {
    std::vector<ValueId> found;
    for (int steps = 0; steps < 8; ++steps) {
      for (const Use& use : a_.at(v).uses)
        for (ValueId other : a_.at(use.node).inputs)
          if (other != kNoValue && other != v && !a_.constant(other)) found.push_back(other);
      if (!found.empty() || a_.at(v).uses.empty()) break;
      v = a_.at(a_.at(v).uses[0].node).output();
    }
    return found;
  }

  void set(NodeId id, size_t input, Tensor value) {
    result_.set_input(id, input, result_.add_constant(a_.at(id).name + ".any_shape", std::move(value)));
  }

  const Graph &a_, &b_;
  Graph result_;
  std::map<std::string, ValueId> named_;  // of b
  std::map<NodeId, size_t> position_;     // in a
};

}  // namespace

Result<Graph> generalize(const Graph& a, const Graph& b) { return Pair(a, b).run(); }

}  // namespace quadlane
