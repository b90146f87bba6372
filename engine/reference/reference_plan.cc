#include "engine/reference/reference_plan.h"

#include <algorithm>
#include <cstring>

#include "engine/reference/reference_step.h"
#include "engine/run/dense_steps.h"
#include "engine/run/memory_plan.h"

namespace quadlane {
namespace {

using run::DenseAddress;
using run::Place;

class Builder {
 public:
  explicit Builder(const Graph& graph) : graph_(graph), order_(graph.order()), places_(graph.value_capacity()) {}

  void place_values() {
    for (size_t i = 0; i < graph_.inputs().size(); ++i) at(graph_.inputs()[i]) = {Place::user_input, i};
    for (uint32_t v = 0; v < graph_.value_capacity(); ++v)
      if (const auto& constant = graph_.at(ValueId{v}).constant; constant && !constant->empty())
        at(ValueId{v}) = {Place::constant, add_weights(*constant)};
    std::vector<ValueId> values;
    std::vector<run::Lifetime> lives;
    std::vector<int> live_of(graph_.value_capacity(), -1);
    for (size_t s = 0; s < order_.size(); ++s) {
      const Node& node = graph_.at(order_[s]);
      const int step = static_cast<int>(s);
      for (ValueId in : node.inputs)
        if (in != kNoValue && live_of[index(in)] >= 0) lives[static_cast<size_t>(live_of[index(in)])].last_step = step;
      for (ValueId out : node.outputs) {
        live_of[index(out)] = static_cast<int>(lives.size());
        values.push_back(out);
        lives.push_back({std::max<size_t>(graph_.at(out).type.bytes(), 1), step,
                         graph_.is_output(out) ? static_cast<int>(order_.size()) : step});
      }
    }
    const run::MemoryPlan memory = run::plan_memory(lives);
    arena_bytes_ = memory.arena_bytes;
    for (size_t i = 0; i < values.size(); ++i) at(values[i]) = {Place::arena, memory.offsets[i]};
  }

  Result<std::shared_ptr<run::Plan>> build(const OpTable& ops) {
    auto plan = std::make_shared<run::Plan>();
    plan->isa = to_string(Isa::reference);
    plan->code_method = "no generated code";
    for (ValueId id : graph_.inputs()) plan->inputs.push_back({graph_.at(id).name, graph_.at(id).type});
    for (ValueId id : graph_.outputs()) plan->outputs.push_back({graph_.at(id).name, graph_.at(id).type});
    plan->arena_bytes = arena_bytes_;
    QL_TRY(plan->weights, run::AlignedBytes::allocate(weights_.size()));
    if (!weights_.empty()) std::memcpy(plan->weights.data(), weights_.data(), weights_.size());
    for (NodeId id : order_) {
      const Node& node = graph_.at(id);
      const OpDef* def = ops.find(node.op);
      if (!def) return unsupported("operator '", node.op, "' is not supported");
      auto step = std::make_unique<ReferenceStep>(*def, node, operands(node.inputs), operands(node.outputs));
      step->info.name = node.name, step->info.op = node.op, step->info.kernel = "reference";
      step->info.reference = true;
      plan->steps.push_back(std::move(step));
    }
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      const Value& value = graph_.at(graph_.outputs()[i]);
      auto step = std::make_unique<run::CopyStep>(at(graph_.outputs()[i]), DenseAddress{Place::user_output, i},
                                                  value.type.bytes());
      step->info.name = value.name, step->info.op = "copy output";
      plan->steps.push_back(std::move(step));
    }
    return plan;
  }

  size_t arena_bytes() const { return arena_bytes_; }

 private:
  static uint32_t index(ValueId id) { return static_cast<uint32_t>(id); }
  DenseAddress& at(ValueId id) { return places_[index(id)]; }
  size_t add_weights(const Tensor& tensor) {
    const size_t offset = detail::round_up(weights_.size(), 64), bytes = tensor.type().bytes();
    weights_.resize(offset + std::max<size_t>(bytes, 1));
    if (bytes) std::memcpy(weights_.data() + offset, tensor.data(), bytes);
    return offset;
  }
  std::vector<ReferenceStep::Operand> operands(const std::vector<ValueId>& ids) {
    std::vector<ReferenceStep::Operand> all;
    for (ValueId id : ids) {
      if (id == kNoValue)
        all.push_back({{}, {}, false});
      else
        all.push_back({graph_.at(id).type, at(id), true});
    }
    return all;
  }

  const Graph& graph_;
  const std::vector<NodeId> order_;
  std::vector<DenseAddress> places_;
  std::vector<std::byte> weights_;
  size_t arena_bytes_ = 0;
};

}  // namespace

Result<std::shared_ptr<const run::Plan>> reference_plan(const Graph& graph, const OpTable& ops, size_t max_arena_bytes,
                                                        const std::string& why) {
  if (graph.tail) return unsupported("outputs whose shapes depend on the data have no reference plan");
  Builder builder(graph);
  builder.place_values();
  if (builder.arena_bytes() > max_arena_bytes)
    return unsupported("the activations need ", builder.arena_bytes(), " bytes at once, the limit is ",
                       max_arena_bytes);
  QL_TRY(auto plan, builder.build(ops));
  if (!why.empty()) plan->code_method = cat("reference: ", why);
  return std::shared_ptr<const run::Plan>(std::move(plan));
}

}  // namespace quadlane
