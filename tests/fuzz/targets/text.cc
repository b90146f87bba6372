// The text form of graphs: what parses verifies, prints and parses back the same, and compiles or says why not.
#include "graph/text.h"

#include "graph/verify.h"
#include "ops/table.h"
#include "tests/fuzz/targets/small_run.h"

namespace quadlane::fuzz {
namespace {

constexpr int64_t kMostElements = 1 << 16;

int64_t largest_constant(const Graph& graph) {
  int64_t most = 0;
  for (uint32_t v = 0; v < graph.value_capacity(); ++v)
    if (const Tensor* constant = graph.constant(ValueId{v})) most = std::max(most, constant->count());
  return most;
}

std::string run(Bytes bytes) {
  auto graph = parse_graph({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, op_table());
  if (!graph.ok()) return {};
  if (Status status = verify(*graph, op_table()); !status.ok()) return cat("parsed, but ", status.error().text());
  if (largest_constant(*graph) <= kMostElements) {
    const PrintOptions whole{kMostElements};
    const std::string once = print(*graph, whole);
    auto again = parse_graph(once, op_table());
    if (!again.ok()) return cat("what is printed does not parse: ", again.error().text(), "\n", once);
    if (const std::string twice = print(*again, whole); twice != once)
      return cat("what is printed changes:\n", once, "\nand then\n", twice);
  }
  auto model = Model::from_graph(*std::move(graph), small_limits(bytes.size() % 2 ? Isa::avx2 : Isa::avx512_vnni));
  if (model.ok()) run_if_small(model->shared_plan());
  return {};
}

}  // namespace

const Target kText{"text", 1 << 20, run};

}  // namespace quadlane::fuzz
