#include "engine/compile/tail_nodes.h"

#include "engine/compile/compile.h"
#include "engine/run/stream.h"
#include "graph/folding.h"
#include "graph/passes/pass.h"
#include "graph/passes/rewrite.h"

namespace quadlane::compile {
namespace {

// Below it the reference, which does about 10^9 steps a second, is done before a plan is made.
constexpr double kHeavyWork = 2e7;

bool is_heavy(const Node& node, std::span<const Tensor* const> inputs, std::span<const MutView> outputs) {
  if (!is_one_of(node.op,
                 {"Conv", "ConvTranspose", "DeformConv", "Gemm", "GridSample", "MatMul", "Resize", "RoiAlign"}))
    return false;
  std::vector<TensorType> in, out;
  for (const Tensor* tensor : inputs)
    if (tensor) in.push_back(tensor->type());
  for (const MutView& view : outputs) out.push_back(*view.type);
  return evaluation_work(node, in, out) >= kHeavyWork;
}

// A graph of the node alone. What is not its first input is constant: weights are packed, regions and scales are read
// where they lie.
Result<Graph> graph_of(const OpTable& ops, Node node, std::span<const Tensor* const> inputs) {
  Graph graph;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i])
      node.inputs[i] = kNoValue;
    else if (i == 0)
      node.inputs[i] = graph.add_input("in", inputs[i]->type());
    else
      node.inputs[i] = graph.add_constant(cat("in", i), *inputs[i]);
  }
  node.outputs.clear();
  QL_TRY(ValueId first, add_op(graph, ops, std::move(node), "out"));
  graph.set_outputs(graph.at(graph.at(first).producer).outputs);
  QL_CHECK_OK(run_passes(graph, ops, simplify_passes()));
  QL_CHECK_OK(run_passes(graph, ops, fuse_f32_passes()));
  return graph;
}

// Null where a step would run the reference all the same, or there is no plan.
std::shared_ptr<const run::Plan> plan_of(const OpTable& ops, Isa isa, const Node& node,
                                         std::span<const Tensor* const> inputs) {
  auto graph = graph_of(ops, node, inputs);
  if (!graph.ok()) return nullptr;
  CompileOptions options;
  options.isa = isa, options.tune = false;
  auto plan = compile(*graph, ops, options);
  if (!plan.ok()) return nullptr;
  for (const auto& step : (*plan)->steps)
    if (step->info.reference) return nullptr;
  return *plan;
}

}  // namespace

HeavyNodes tail_nodes(const OpTable& ops, Isa isa) {
  if (isa == Isa::reference) return {};
  return [&ops, isa](const Node& node, std::span<const Tensor* const> inputs,
                     std::span<const MutView> outputs) -> Result<bool> {
    if (!is_heavy(node, inputs, outputs)) return false;
    auto plan = plan_of(ops, isa, node, inputs);
    if (!plan || plan->outputs.size() != outputs.size()) return false;
    for (size_t i = 0; i < outputs.size(); ++i)
      if (plan->outputs[i].type != *outputs[i].type) return false;
    QL_TRY(run::Stream stream, run::Stream::open(std::move(plan)));
    const View first = inputs[0]->view();
    QL_CHECK_OK(stream.run(std::span(&first, 1), outputs));
    return true;
  };
}

}  // namespace quadlane::compile
