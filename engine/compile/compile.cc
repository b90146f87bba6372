#include "engine/compile/compile.h"

#include <chrono>

#include "engine/compile/lowering.h"

namespace quadlane::compile {

Result<std::shared_ptr<const run::Plan>> compile(const Graph& graph, const OpTable& ops,
                                                 const CompileOptions& options) {
  auto start = std::chrono::steady_clock::now();
  Isa isa = options.generate_only ? options.isa : std::min(options.isa, options.cpu.best_isa());
  Lowering lowering(graph, ops, options.cpu, isa, options.tune);
  QL_CHECK_OK(lowering.run());
  QL_CHECK_OK(lowering.layouts.resolve());
  Emitter emitter(lowering.layouts);
  for (Emit& emit : lowering.emits()) QL_CHECK_OK(emit(emitter));
  CodeMemoryOptions memory;
  memory.perf_map = options.perf_map;
  QL_TRY(Emitter::Output out, emitter.finish(memory));

  auto plan = std::make_shared<run::Plan>();
  plan->isa = to_string(isa);
  plan->code_method = out.code_method.empty() ? "no generated code" : out.code_method;
  for (ValueId id : graph.inputs()) plan->inputs.push_back({graph.at(id).name, graph.at(id).type});
  for (ValueId id : graph.outputs()) plan->outputs.push_back({graph.at(id).name, graph.at(id).type});
  plan->steps = std::move(out.steps);
  plan->slots = std::move(out.slots);
  plan->arena_bytes = out.arena_bytes;
  plan->kernels = std::move(out.kernels);
  plan->weights = std::move(out.weights);
  if (out.code) plan->resources.push_back(std::move(out.code));
  plan->compile_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return std::shared_ptr<const run::Plan>(std::move(plan));
}

}  // namespace quadlane::compile
