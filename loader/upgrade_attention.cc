// Attention of opset 23, as exporters write scaled_dot_product_attention: its parts, as older opsets have them.
//
//   y = Softmax(scale * q x transposed(k) + mask) x v        for each head, [batch, heads, positions, size]
//
// Operands of three axes hold their heads one after the other in the last one. Heads of k and v may be fewer: each
// serves as many neighbouring heads of q. What a cache of earlier positions needs is refused.
#include <cmath>
#include <limits>

#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;
enum Input : size_t { kQ, kK, kV, kMask, kPastKey };

class Attention {
 public:
  Attention(Draft& d, Emitter& e) : d_(d), e_(e) {}

  Status run() {
    QL_CHECK_OK(check());
    const bool joined = rank(kQ) == 3;
    QL_TRY(ValueId q, heads(kQ, "q_num_heads"));
    QL_TRY(ValueId k, heads(kK, "kv_num_heads"));
    QL_TRY(ValueId v, heads(kV, "kv_num_heads"));
    const Shape qs = e_.type(q).shape, ks = e_.type(k).shape, vs = e_.type(v).shape;
    if (qs[3] != ks[3] || ks[2] != vs[2] || ks[1] != vs[1] || ks[1] == 0 || qs[1] % ks[1] != 0)
      return invalid_model("queries ", to_string(qs), ", keys ", to_string(ks), " and values ", to_string(vs),
                           " do not fit");
    QL_TRY(k, repeated(k, qs[1] / ks[1]));
    QL_TRY(v, repeated(v, qs[1] / ks[1]));
    QL_TRY(k, transposed(k, {0, 1, 3, 2}));
    const float scale = d_.attrs().float_or("scale", 1 / std::sqrt(static_cast<float>(qs[3])));
    QL_TRY(q, add("Mul", {q, e_.add_constant(name("scale"), Tensor::scalar<float>(scale))}));
    QL_TRY(ValueId scores, add("MatMul", {q, k}));
    QL_TRY(scores, masked(scores));
    Attrs axis;
    axis.set("axis", int64_t{-1});
    QL_TRY(scores, add("Softmax", {scores}, axis));
    if (!joined) return finish("MatMul", {scores, v});
    QL_TRY(ValueId y, add("MatMul", {scores, v}));
    QL_TRY(y, transposed(y, {0, 2, 1, 3}));
    return finish("Reshape", {y, e_.add_ints(name("shape"), {qs[0], qs[2], qs[1] * vs[3]})});
  }

 private:
  std::string name(const char* part) const { return cat(d_.node.name, ".", part); }
  size_t rank(size_t i) const { return e_.type(d_.node.inputs[i]).shape.size(); }

  Status check() const {
    for (size_t i : {size_t{kQ}, size_t{kK}, size_t{kV}}) {
      if (i >= d_.input_count() || !e_.has(d_.node.inputs[i])) return invalid_model("required input ", i, " is absent");
      if (rank(i) != rank(kQ) || (rank(i) != 3 && rank(i) != 4))
        return invalid_model("input ", i, " has ", rank(i), " axes, expected 3 or 4 as input 0");
    }
    for (size_t i = kPastKey; i < d_.input_count(); ++i)
      if (e_.has(d_.node.inputs[i])) return unsupported("input ", i, ": a cache of earlier positions is not supported");
    for (size_t i = 1; i < d_.outputs.size(); ++i)
      if (!d_.outputs[i].empty() && e_.is_used(d_.outputs[i]))
        return unsupported("output ", i, ": only output 0 is computed");
    if (d_.node.attrs.float_or("softcap", 0) != 0)
      return unsupported("softcap is ", d_.node.attrs.float_or("softcap", 0), ", expected 0");
    return {};
  }

  Result<ValueId> add(const char* op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return e_.emit_one(Node{name(op), op, std::move(attrs), std::move(inputs), {}}, name(op));
  }
  Result<ValueId> reshaped(ValueId v, const Shape& shape) {
    return add("Reshape", {v, e_.add_ints(name("shape"), shape)});
  }
  Result<ValueId> transposed(ValueId v, const Ints& order) {
    Attrs perm;
    perm.set("perm", order);
    return add("Transpose", {v}, std::move(perm));
  }

  // [batch, heads, positions, size]
  Result<ValueId> heads(size_t input, const char* attribute) {
    const ValueId v = d_.node.inputs[input];
    const Shape s = e_.type(v).shape;
    if (s.size() == 4) return v;
    const int64_t count = d_.attrs().int_or(attribute, 0);
    if (count < 1 || s[2] % count != 0)
      return invalid_model(attribute, " is ", count, ", input ", input, " has ", s[2], " channels");
    QL_TRY(ValueId split, reshaped(v, {s[0], s[1], count, s[2] / count}));
    return transposed(split, {0, 2, 1, 3});
  }
  Result<ValueId> repeated(ValueId v, int64_t times) {
    if (times == 1) return v;
    const Shape s = e_.type(v).shape;
    QL_TRY(v, reshaped(v, {s[0], s[1], 1, s[2], s[3]}));
    QL_TRY(v, add("Expand", {v, e_.add_ints(name("shape"), {s[0], s[1], times, s[2], s[3]})}));
    return reshaped(v, {s[0], s[1] * times, s[2], s[3]});
  }

  Result<ValueId> masked(ValueId scores) {
    const Shape s = e_.type(scores).shape;
    const float never = -std::numeric_limits<float>::infinity();
    if (d_.attrs().int_or("is_causal", 0) != 0) {
      if (s[2] > (int64_t{1} << 30) / std::max<int64_t>(s[3], 1)) return unsupported("a mask of ", s[2], " x ", s[3]);
      std::vector<float> causal(static_cast<size_t>(s[2] * s[3]), 0.0f);
      for (int64_t i = 0; i < s[2]; ++i)
        for (int64_t j = i + 1; j < s[3]; ++j) causal[static_cast<size_t>(i * s[3] + j)] = never;
      QL_TRY(scores, add("Add", {scores, e_.add_constant(name("causal"), Tensor::from<float>({s[2], s[3]}, causal))}));
    }
    if (d_.input_count() <= kMask || !e_.has(d_.node.inputs[kMask])) return scores;
    const ValueId mask = d_.node.inputs[kMask];
    if (e_.type(mask).dtype != DType::boolean) return add("Add", {scores, mask});
    return add("Where", {mask, scores, e_.add_constant(name("never"), Tensor::scalar<float>(never))});
  }

  Status finish(const char* op, std::vector<ValueId> inputs) {
    d_.node.op = op;
    d_.node.attrs = {};
    d_.node.inputs = std::move(inputs);
    d_.outputs.resize(1);
    return {};
  }

  Draft& d_;
  Emitter& e_;
};

}  // namespace

Status upgrade_attention(Draft& d, Emitter& e) { return Attention(d, e).run(); }

}  // namespace quadlane
