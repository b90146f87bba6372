// Generated code against the scalar references, for equality: whole quantized networks, whose steps cover every kernel
// family of integers, and convolution kernels by themselves.
#include "graph/passes/pass.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/compile/plan_check.h"
#include "tests/fuzz/targets/network.h"
#include "tests/jit/conv_problem.h"

namespace quadlane::fuzz {
namespace {

constexpr Isa kIsas[] = {Isa::avx512_vnni, Isa::avx512, Isa::avx2};

// One ISA that this machine runs: the tests' interpreter would take too long.
Isa isa_of(Choices& choices) {
  const Isa wanted = choices.of(kIsas);
  return detect_cpu().runs(wanted) ? wanted : detect_cpu().best_isa();
}

bool only_integers(const Graph& graph) {
  for (NodeId id : graph.order())
    for (ValueId output : graph.at(id).outputs)
      if (graph.at(output).type.dtype == DType::f32) return false;
  return true;
}

std::string network(Choices& choices) {
  testing::PlanCheck check;
  check.isa = isa_of(choices);
  check.threads = choices.between(1, 3);
  check.runs = 1;
  check.seed = choices.byte();
  const std::string text = quantized_network(choices);
  auto graph = parse_graph(text, op_table());
  if (!graph.ok()) return cat("the network does not parse: ", graph.error().text(), "\n", text);
  for (const auto& passes : {simplify_passes(), fuse_int8_passes(), fuse_f32_passes()})
    if (Status status = run_passes(*graph, op_table(), passes); !status.ok())
      return cat(status.error().text(), "\n", text);
  if (!only_integers(*graph)) return {};  // fp32 sums have no fixed order
  const std::string wrong = testing::check_plan(*graph, check);
  return wrong.empty() ? wrong : cat(to_string(check.isa), ", ", check.threads, " threads: ", wrong, "\n", text);
}

std::string convolution(Choices& choices) {
  const Isa isa = isa_of(choices);
  if (isa == Isa::reference) return {};
  testing::Rng rng(choices.word());
  testing::ConvProblem problem(testing::random_conv_spec(isa, rng), rng);
  const auto expected = problem.expected();
  if (auto ran = problem.run(true); !ran) return cat(problem.text(), ": ", ran.message());
  if (auto agrees = problem.agrees(expected); !agrees) return cat(problem.text(), ": ", agrees.message());
  return {};
}

std::string run(Bytes bytes) {
  Choices choices(bytes);
  return choices.byte() % 4 ? network(choices) : convolution(choices);
}

}  // namespace

const Target kKernels{"kernels", 256, run};

}  // namespace quadlane::fuzz
