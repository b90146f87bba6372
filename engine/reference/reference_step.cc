#include "engine/reference/reference_step.h"

#include <cstring>

#include "engine/base/guard.h"
#include "graph/store.h"

namespace quadlane {

void ReferenceStep::run(const run::RunContext& ctx, int part, int) const noexcept {
  if (part != 0) return;
  ctx.keep(*this, part, guarded([&] { return compute(ctx); }));  // references allocate: memory may end
}

// Types were inferred; what is left to refuse are values that inference could not see.
Status ReferenceStep::compute(const run::RunContext& ctx) const {
  std::vector<View> inputs(in_.size());
  for (size_t i = 0; i < in_.size(); ++i)
    if (in_[i].present) inputs[i] = {&in_[i].type, in_[i].at.at(ctx)};
  std::vector<MutView> outputs(out_.size());
  for (size_t i = 0; i < out_.size(); ++i) outputs[i] = {&out_[i].type, out_[i].at.at(ctx)};
  return def_.eval({node_, inputs}, outputs);
}

void ReferenceStep::write(FieldWriter& w) const {
  store_node(w, node_);
  w.write(in_);
  w.write(out_);
}

Result<std::unique_ptr<run::Step>> ReferenceStep::read(FieldReader& r, const OpTable& ops, run::Checker& checker,
                                                       std::span<const std::byte> weights) {
  Node node;
  restore_node(r, node);
  auto in = r.get<std::vector<Operand>>(), out = r.get<std::vector<Operand>>();
  if (!r.ok()) return invalid_model("a node that ends early");  // the reader keeps its own reason
  for (const auto* list : {&in, &out})
    for (const Operand& operand : *list)
      if (auto count = element_count(operand.type.shape); !count.ok()) return std::move(count).error();
  // The operator's own checks see the types, and the data of what is constant, as they did when the plan was made.
  Graph graph;
  std::vector<run::Checker::Touched> touched;
  for (const Operand& operand : in) {
    if (!operand.present) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    checker.reads(operand.at, operand.type.bytes(), std::max<size_t>(size_of(operand.type.dtype), 4));
    touched.push_back({operand.at, operand.type.bytes()});
    QL_CHECK_OK(Status(checker.status()));
    if (operand.at.place == run::Place::constant) {
      QL_TRY(Tensor tensor, Tensor::allocate(operand.type));
      std::memcpy(tensor.mutable_data(), weights.data() + operand.at.index_or_offset, operand.type.bytes());
      node.inputs.push_back(graph.add_constant({}, std::move(tensor)));
    } else {
      node.inputs.push_back(graph.add_input({}, operand.type));
    }
  }
  QL_TRY(auto types, infer_types(graph, node, ops));
  if (out.empty() || out.size() > types.size())
    return invalid_model("node '", node.name, "' has ", out.size(), " outputs, expected ", types.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].type != types[i])
      return invalid_model("node '", node.name, "' makes ", to_string(types[i]), ", the file says ",
                           to_string(out[i].type));
    checker.writes(out[i].at, out[i].type.bytes(), std::max<size_t>(size_of(out[i].type.dtype), 4));
    touched.push_back({out[i].at, out[i].type.bytes(), true});
  }
  if (checker.ok()) checker.apart(std::move(touched));
  const OpDef& def = *ops.find(node.op);
  return std::unique_ptr<run::Step>(
      std::make_unique<ReferenceStep>(def, std::move(node), std::move(in), std::move(out)));
}

namespace {

constexpr const char* kName = "reference";

}  // namespace

bool ReferenceCodec::write(FieldWriter& w, const run::Step& step) const {
  const auto* reference = dynamic_cast<const ReferenceStep*>(&step);
  if (!reference) return false;
  w.write(std::string(kName));
  reference->write(w);
  return true;
}

std::unique_ptr<run::Step> ReferenceCodec::read(FieldReader& r, const std::string& type, run::Checker& checker) const {
  if (type != kName) return nullptr;
  auto step = ReferenceStep::read(r, ops_, checker, checker.weight_bytes());
  if (step.ok()) return *std::move(step);
  r.fail(std::move(step).error());
  return nullptr;
}

}  // namespace quadlane
