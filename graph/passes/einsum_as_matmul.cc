// einsum_as_matmul: Einsum("bhqd,bhkd->bhqk", a, b)  =>  MatMul(a, Transpose(b));  Einsum("bij->bji", a)  =>
// Transpose(a)
//
// Of two f32 operands every letter belongs to one of four groups: batch (in both and the result), summed (in both
// only), rows (in the first and the result) and columns (in the second and the result). So the result is
//
//   [batch, rows, columns] = [batch, rows, summed] x [batch, summed, columns]
//
// between transpositions, which are reshapes where only axes of extent 1 move. The operands may change places; what
// takes fewer transpositions of values that are not constant is chosen. Letters twice in a term, ellipses, extents that
// broadcast and letters summed in one operand alone stay what they are.
#include <algorithm>
#include <cctype>
#include <map>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

struct Terms {
  std::vector<std::string> in;
  std::string out;
};

bool distinct_letters(const std::string& term) {
  for (size_t i = 0; i < term.size(); ++i)
    if (!std::isalpha(static_cast<unsigned char>(term[i])) || term.find(term[i], i + 1) != term.npos) return false;
  return true;
}

std::optional<Terms> terms_of(const Node& node) {
  std::string text = node.attrs.string_or("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->"), comma = text.find(',');
  if (arrow == text.npos || node.inputs.size() > 2) return {};
  Terms t;
  t.out = text.substr(arrow + 2);
  t.in.push_back(text.substr(0, std::min(arrow, comma)));
  if (comma < arrow) t.in.push_back(text.substr(comma + 1, arrow - comma - 1));
  const bool plain = std::all_of(t.in.begin(), t.in.end(), distinct_letters) && distinct_letters(t.out);
  return plain && t.in.size() == node.inputs.size() ? std::optional(std::move(t)) : std::nullopt;
}

// The letters of `term` that the other two have or lack.
std::string letters(const std::string& term, const std::string& a, bool in_a, const std::string& b, bool in_b) {
  std::string found;
  for (char c : term)
    if ((a.find(c) != a.npos) == in_a && (b.find(c) != b.npos) == in_b) found += c;
  return found;
}

class Rewriter {
 public:
  Rewriter(Graph& g, const OpTable& ops, Node node) : g_(g), ops_(ops), node_(std::move(node)) {}

  Result<bool> run() {
    const std::optional<Terms> terms = terms_of(node_);
    if (!terms || g_[node_.output()].type.dtype != DType::f32 || !know_extents(*terms)) return false;
    if (terms->in.size() == 1) {
      if (terms->in[0].size() != terms->out.size()) return false;
      QL_TRY(ValueId v, arranged(node_.input(0), terms->in[0], terms->out));
      return finish(v, terms->out);
    }
    const Plan plain = plan(*terms, 0), swapped = plan(*terms, 1);
    const Plan& best = swapped.transposes < plain.transposes ? swapped : plain;
    if (!best.possible) return false;
    QL_TRY(ValueId left,
           arranged(node_.input(best.first), terms->in[best.first], best.batch + best.rows + best.summed));
    QL_TRY(left, reshape(left, matrix(best.batch, best.rows, best.summed)));
    QL_TRY(ValueId right,
           arranged(node_.input(1 - best.first), terms->in[1 - best.first], best.batch + best.summed + best.columns));
    QL_TRY(right, reshape(right, matrix(best.batch, best.summed, best.columns)));
    QL_TRY(ValueId product, add(Node{node_.name, "MatMul", {}, {left, right}, {}}));
    const std::string order = best.batch + best.rows + best.columns;
    QL_TRY(product, reshape(product, shape_of(order)));
    QL_TRY(product, arranged(product, order, terms->out));
    return finish(product, terms->out);
  }

 private:
  struct Plan {
    size_t first = 0;  // which operand is the left matrix
    std::string batch, rows, summed, columns;
    int transposes = 0;
    bool possible = false;
  };

  // Every letter has one extent, and the terms are as long as the shapes.
  bool know_extents(const Terms& t) {
    for (size_t k = 0; k < t.in.size(); ++k) {
      const Shape& shape = g_[node_.input(k)].type.shape;
      if (t.in[k].size() != shape.size()) return false;
      for (size_t a = 0; a < shape.size(); ++a)
        if (extent_.try_emplace(t.in[k][a], shape[a]).first->second != shape[a]) return false;
    }
    return std::all_of(t.out.begin(), t.out.end(), [&](char c) { return extent_.count(c) > 0; });
  }

  Plan plan(const Terms& t, size_t first) const {
    const std::string &a = t.in[first], &b = t.in[1 - first];
    Plan p{first, letters(a, b, true, t.out, true), letters(a, b, false, t.out, true),
           letters(a, b, true, t.out, false), letters(b, a, false, t.out, true)};
    p.possible = letters(a, b, false, t.out, false).empty() && letters(b, a, false, t.out, false).empty();
    auto count = [&](ValueId v, const std::string& from, const std::string& to) {
      p.transposes += !(v != kNoValue && g_.constant(v)) && !same_order(from, to);
    };
    count(node_.input(first), a, p.batch + p.rows + p.summed);
    count(node_.input(1 - first), b, p.batch + p.summed + p.columns);
    count(kNoValue, p.batch + p.rows + p.columns, t.out);
    return p;
  }

  std::string moving(const std::string& term) const {
    std::string found;
    for (char c : term)
      if (extent_.at(c) != 1) found += c;
    return found;
  }
  bool same_order(const std::string& from, const std::string& to) const { return moving(from) == moving(to); }

  Shape shape_of(const std::string& term) const {
    Shape shape;
    for (char c : term) shape.push_back(extent_.at(c));
    return shape;
  }
  int64_t product(const std::string& term) const {
    int64_t count = 1;
    for (char c : term) count *= extent_.at(c);
    return count;
  }
  Shape matrix(const std::string& batch, const std::string& rows, const std::string& columns) const {
    Shape shape{product(rows), product(columns)};
    if (!batch.empty()) shape.insert(shape.begin(), product(batch));
    return shape;
  }

  Result<ValueId> add(Node node) { return add_op(g_, ops_, std::move(node)); }
  Result<ValueId> reshape(ValueId v, const Shape& shape) {
    if (g_[v].type.shape == shape) return v;
    const auto rank = static_cast<int64_t>(shape.size());
    ValueId target = g_.add_constant(node_.name + ".shape", Tensor::from<int64_t>({rank}, shape));
    return add(Node{node_.name, "Reshape", {}, {v, target}, {}});
  }
  // The axes in another order; as they are where only those of extent 1 move.
  Result<ValueId> arranged(ValueId v, const std::string& from, const std::string& to) {
    if (same_order(from, to)) return v;
    Ints perm;
    for (char c : to) perm.push_back(static_cast<int64_t>(from.find(c)));
    Node node{node_.name, "Transpose", {}, {v}, {}};
    node.attrs.set("perm", perm);
    return add(std::move(node));
  }
  Result<bool> finish(ValueId v, const std::string& out) {
    const Shape shape = shape_of(out);
    ValueId target =
        g_.add_constant(node_.name + ".shape", Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape));
    QL_TRY([[maybe_unused]] ValueId y,
           replace_with(g_, ops_, node_.output(), Node{node_.name, "Reshape", {}, {v, target}, {}}));
    return true;
  }

  Graph& g_;
  const OpTable& ops_;
  const Node node_;
  std::map<char, int64_t> extent_;
};

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Einsum") continue;
    QL_TRY(bool done, Rewriter(g, ops, g[id]).run());
    rewrites += done;
  }
  return rewrites;
}

}  // namespace

const Pass kEinsumAsMatMul{"einsum_as_matmul", "Einsum => MatMul between transpositions", run};

}  // namespace quadlane
