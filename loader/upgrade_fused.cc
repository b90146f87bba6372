// Operators that ONNX Runtime's optimizer makes of several and writes into files (com.microsoft): their parts again.
#include <algorithm>
#include <numeric>

#include "loader/take_attr.h"
#include "loader/upgrade.h"

namespace quadlane {
namespace {

using Floats = std::vector<float>;

// The draft becomes `last`, which has one output.
Status finish(Draft& d, Node last) {
  last.name = d.node.name;
  d.node = std::move(last);
  d.outputs.resize(1);
  return {};
}

Result<ValueId> part(Draft& d, Emitter& e, Node node) {
  const std::string name = cat(d.node.name, ".", node.op);
  node.name = name;
  return e.emit_one(std::move(node), name);
}

// y = activation(x), by name and parameters.
Result<Node> activation(Draft& d, Emitter& e, ValueId x, const std::string& name, const Floats& p) {
  Node node{d.node.name, name, {}, {x}, {}};
  auto parameter = [&](size_t i, const char* attribute) {
    if (i < p.size()) node.attrs.set(attribute, p[i]);
  };
  if (name == "Clip") {
    if (p.size() != 2) return invalid_model("Clip has ", p.size(), " activation_params, expected 2");
    for (float bound : p) node.inputs.push_back(e.add_constant(d.node.name + ".bound", Tensor::scalar<float>(bound)));
  } else if (name == "LeakyRelu" || name == "Elu" || name == "ThresholdedRelu") {
    parameter(0, "alpha");
  } else if (name == "HardSigmoid") {
    parameter(0, "alpha"), parameter(1, "beta");
  } else if (name != "Relu" && name != "Sigmoid" && name != "Tanh" && name != "HardSwish" && name != "Softplus" &&
             name != "Softsign") {
    return unsupported("activation '", name, "' is not supported");
  }
  return node;
}

// Behind what is left of the draft, which has lost its attributes of the activation.
Status activate(Draft& d, Emitter& e, const std::optional<std::string>& name, const Floats& parameters) {
  if (!name || name->empty()) return {};
  QL_TRY(ValueId x, part(d, e, d.node));
  QL_TRY(Node last, activation(d, e, x, *name, parameters));
  return finish(d, std::move(last));
}

Status check_inputs(const Draft& d, const Emitter& e, size_t needed) {
  for (size_t i = 0; i < needed; ++i)
    if (i >= d.input_count() || !e.has(d.node.inputs[i])) return invalid_model("required input ", i, " is absent");
  return {};
}

}  // namespace

// FusedConv(x, w, b, z) = activation(Conv(x, w, b) + z)
Status upgrade_fused_conv(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 2));
  QL_TRY(auto name, take_attr<std::string>(d.attrs(), "activation"));
  QL_TRY(auto parameters, take_attr<Floats>(d.attrs(), "activation_params"));
  d.node.op = "Conv";
  if (d.input_count() > 3) {
    const ValueId z = d.node.inputs[3];
    d.node.inputs.resize(3);
    if (e.has(z)) {
      QL_TRY(ValueId y, part(d, e, d.node));
      QL_CHECK_OK(finish(d, Node{{}, "Add", {}, {y, z}, {}}));
    }
  }
  return activate(d, e, name, parameters.value_or(Floats{}));
}

Status upgrade_fused_gemm(Draft& d, Emitter& e) {
  QL_TRY(auto name, take_attr<std::string>(d.attrs(), "activation"));
  Floats parameters;
  for (const char* attribute : {"activation_alpha", "activation_beta", "activation_gamma"}) {
    QL_TRY(auto value, take_attr<float>(d.attrs(), attribute));
    if (value) parameters.push_back(*value);
  }
  d.node.op = "Gemm";
  return activate(d, e, name, parameters);
}

// alpha * a x b. `trans` exchanges the last two axes of an operand; `transBatch` says that the rows' axis stands first.
Status upgrade_fused_matmul(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 2));
  std::vector<ValueId> inputs(d.node.inputs.begin(), d.node.inputs.begin() + 2);
  for (size_t i = 0; i < 2; ++i) {
    const size_t rank = e.type(inputs[i]).shape.size();
    std::vector<int64_t> perm(rank), as_it_is;
    std::iota(perm.begin(), perm.end(), int64_t{0});
    as_it_is = perm;
    if (rank >= 2 && d.attrs().int_or(i == 0 ? "transBatchA" : "transBatchB", 0) != 0)
      std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
    if (rank >= 2 && d.attrs().int_or(i == 0 ? "transA" : "transB", 0) != 0) std::swap(perm[rank - 1], perm[rank - 2]);
    if (perm == as_it_is) continue;
    Node transpose{{}, "Transpose", {}, {inputs[i]}, {}};
    transpose.attrs.set("perm", perm);
    QL_TRY(inputs[i], part(d, e, std::move(transpose)));
  }
  const float alpha = d.attrs().float_or("alpha", 1);
  Node product{{}, "MatMul", {}, std::move(inputs), {}};
  if (alpha == 1) return finish(d, std::move(product));
  QL_TRY(ValueId y, part(d, e, std::move(product)));
  return finish(d, Node{{}, "Mul", {}, {y, e.add_constant(d.node.name + ".alpha", Tensor::scalar<float>(alpha))}, {}});
}

// BiasGelu(x, b), FastGelu(x, b): Gelu(x + b), the latter by tanh.
Status upgrade_bias_gelu(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 1));
  ValueId x = d.node.inputs[0];
  const bool fast = d.node.op == "FastGelu";
  if (d.input_count() > 1 && e.has(d.node.inputs[1])) {
    QL_TRY(x, part(d, e, Node{{}, "Add", {}, {x, d.node.inputs[1]}, {}}));
  }
  Node gelu{{}, "Gelu", {}, {x}, {}};
  if (fast) gelu.attrs.set("approximate", std::string("tanh"));
  return finish(d, std::move(gelu));
}

// x * sigmoid(alpha * x)
Status upgrade_quick_gelu(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 1));
  Node swish{{}, "Swish", {}, {d.node.inputs[0]}, {}};
  swish.attrs.set("alpha", d.attrs().float_or("alpha", 1.702f));
  return finish(d, std::move(swish));
}

// SkipLayerNormalization(x, skip, gamma, beta, bias) = LayerNormalization(x + skip + bias); output 3 is that sum.
Status upgrade_skip_layer_norm(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 3));
  for (size_t i : {size_t{1}, size_t{2}})
    if (i < d.outputs.size() && !d.outputs[i].empty() && e.is_used(d.outputs[i]))
      return unsupported("output ", i, " is not supported");
  std::vector<ValueId> inputs = d.node.inputs;
  inputs.resize(5, kNoValue);
  QL_TRY(ValueId sum, part(d, e, Node{{}, "Add", {}, {inputs[0], inputs[1]}, {}}));
  if (e.has(inputs[4])) {
    QL_TRY(sum, part(d, e, Node{{}, "Add", {}, {sum, inputs[4]}, {}}));
  }
  if (d.outputs.size() > 3 && !d.outputs[3].empty()) e.bind(d.outputs[3], sum);
  const bool simplified = d.node.op.starts_with("Skip") && d.node.op.find("Simplified") != std::string::npos;
  Node norm{{}, simplified ? "RMSNormalization" : "LayerNormalization", {}, {sum, inputs[2]}, {}};
  if (!simplified && e.has(inputs[3])) norm.inputs.push_back(inputs[3]);
  norm.attrs.set("epsilon", d.attrs().float_or("epsilon", 1e-5f));
  norm.attrs.set("axis", int64_t{-1});
  return finish(d, std::move(norm));
}

// In the standard domain, whatever the opset.
Status upgrade_simplified_layer_norm(Draft& d, Emitter& e) {
  QL_CHECK_OK(check_inputs(d, e, 2));
  if (d.outputs.size() > 1 && !d.outputs[1].empty() && e.is_used(d.outputs[1]))
    return unsupported("output 1 is not supported");
  Node norm{{}, "RMSNormalization", d.attrs(), d.node.inputs, {}};
  return finish(d, std::move(norm));
}

}  // namespace quadlane
