#include "engine/compile/compile.h"

#include <chrono>
#include <cstring>

#include "engine/compile/lowering.h"
#include "graph/tail.h"
#include "graph/text_node.h"

namespace quadlane::compile {
namespace {

// The same bytes as a sibling has them, or these.
run::AlignedBytes shared_weights(run::AlignedBytes weights,
                                 std::span<const std::shared_ptr<const run::Plan>> siblings) {
  for (const auto& plan : siblings)
    if (plan->weights.size() == weights.size() &&
        std::memcmp(plan->weights.data(), weights.data(), weights.size()) == 0)
      return plan->weights;
  return weights;
}

}  // namespace
namespace {

// Channels are planes and pixels are lanes with entries in tables of their own.
Status check_extents(const Graph& graph, const CompileOptions& options) {
  for (NodeId id : graph.order())
    for (ValueId value : graph.at(id).outputs) {
      if (value == kNoValue || graph.at(value).type.shape.size() != 4) continue;
      const Shape& shape = graph.at(value).type.shape;
      if (shape[1] > options.max_channels)
        return unsupported("node '", graph.at(id).name, "' (", graph.at(id).op, "): ", to_string(shape), " has ",
                           shape[1], " channels, the limit is ", options.max_channels);
      if (shape[2] > 0 && shape[3] > options.max_pixels / shape[2])
        return unsupported("node '", graph.at(id).name, "' (", graph.at(id).op, "): an image of ", to_string(shape),
                           " has more than ", options.max_pixels, " pixels");
    }
  return {};
}

// The model's outputs: the graph's, unless a tail makes them of the graph's.
void list_outputs(const Graph& graph, run::Plan& plan) {
  if (!graph.tail) {
    for (ValueId id : graph.outputs()) plan.outputs.push_back({graph.at(id).name, graph.at(id).type});
    return;
  }
  for (ValueId id : graph.outputs()) plan.before_tail.push_back({graph.at(id).type, std::nullopt});
  for (const Tail::Output& output : graph.tail->outputs()) {
    if (output.graph_output) {
      run::TailInput& passed = plan.before_tail[*output.graph_output];
      passed.output = plan.outputs.size();
      plan.outputs.push_back({output.name, passed.type});
    } else {
      plan.outputs.push_back({output.name, {output.dtype, {}}, true});
    }
  }
}

}  // namespace

Result<std::shared_ptr<const run::Plan>> compile(const Graph& graph, const OpTable& ops,
                                                 const CompileOptions& options) {
  QL_CHECK_OK(check_extents(graph, options));
  auto start = std::chrono::steady_clock::now();
  Isa isa = options.generate_only ? options.isa : std::min(options.isa, options.cpu.best_isa());
  Lowering lowering(graph, ops, options.cpu, isa, options.tune);
  lowering.tuner.set_filter(options.schedule_filter);
  if (options.schedules) lowering.tuner.set_book(options.schedules);
  QL_CHECK_OK(lowering.run(options.deadline));
  QL_CHECK_OK(lowering.layouts.resolve());
  Emitter emitter(lowering.layouts);
  emitter.set_code_filter(options.code_filter);
  for (const Lowering::Left& left : lowering.emits()) {
    QL_CHECK_OK(in_time(options.deadline, "compiling"));
    emitter.set_problem(left.node == kNoNode ? "" : node_alone_text(graph, graph.at(left.node)));
    QL_CHECK_OK(left.emit(emitter));
  }
  if (options.schedules) options.schedules->compiled();
  CodeMemoryOptions memory;
  memory.listeners = options.code_listeners;
  QL_TRY(Emitter::Output out, emitter.finish(memory));

  if (out.arena_bytes > options.max_arena_bytes)
    return unsupported("the activations need ", out.arena_bytes, " bytes at once, the limit is ",
                       options.max_arena_bytes);
  auto plan = std::make_shared<run::Plan>();
  plan->isa = to_string(isa);
  plan->code_method = out.code_method.empty() ? "no generated code" : out.code_method;
  for (ValueId id : graph.inputs()) plan->inputs.push_back({graph.at(id).name, graph.at(id).type});
  list_outputs(graph, *plan);
  plan->steps = std::move(out.steps);
  plan->slots = std::move(out.slots);
  plan->arena_bytes = out.arena_bytes;
  plan->kernels = std::move(out.kernels);
  plan->weights = shared_weights(std::move(out.weights), options.siblings);
  if (out.code) plan->resources.push_back(std::move(out.code));
  plan->compile_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return std::shared_ptr<const run::Plan>(std::move(plan));
}

}  // namespace quadlane::compile
