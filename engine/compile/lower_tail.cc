// The tail of a model as the last step of the plan: it has no types until the values are there, so it runs on the
// scalar references, one node after the other, and allocates what it makes. Nodes that take long are compiled then.
#include "engine/compile/lowering.h"
#include "engine/compile/tail_nodes.h"

namespace quadlane::compile {
namespace {

class TailStep final : public run::Step {
 public:
  TailStep(std::shared_ptr<const Tail> tail, std::vector<TensorType> types, HeavyNodes heavy)
      : tail_(std::move(tail)), types_(std::move(types)), heavy_(std::move(heavy)) {}

  void run(const run::RunContext& ctx, int part, int) const noexcept override {
    if (part != 0 || !ctx.tail) return;
    try {
      std::vector<View> values(types_.size());
      for (size_t i = 0; i < values.size(); ++i) values[i] = {&types_[i], ctx.outputs[i]};
      auto outputs = tail_->run(values, heavy_);
      if (outputs.ok())
        ctx.tail->outputs = *std::move(outputs);
      else
        ctx.tail->error = std::move(outputs).error();
    } catch (const std::bad_alloc&) {
      ctx.tail->error = make_error(Code::out_of_memory, "no memory for what depends on the data");
    }
  }

 private:
  std::shared_ptr<const Tail> tail_;
  std::vector<TensorType> types_;
  HeavyNodes heavy_;
};

}  // namespace

void lower_tail(Lowering& l) {
  std::vector<TensorType> types;
  run::StepInfo info;
  for (ValueId id : l.graph.outputs()) {
    types.push_back(l.graph.at(id).type);
    info.bytes_read += static_cast<int64_t>(types.back().bytes());
  }
  const std::vector<std::string>& nodes = l.graph.tail->nodes();
  info.name = cat(nodes.size(), " nodes from ", nodes.front());
  info.op = "tail";
  info.kernel = "reference";
  info.reference = true;
  info.note = "shapes depend on the data from here on: types are inferred and memory is allocated in every run";
  const HeavyNodes heavy = tail_nodes(l.ops, l.cpu.runs(l.isa) ? l.isa : Isa::reference);
  l.emit([info, types, heavy, tail = l.graph.tail](Emitter& e) -> Status {
    e.step(info, {}, [=](const Addresses&) { return std::make_unique<TailStep>(tail, types, heavy); });
    return {};
  });
}

}  // namespace quadlane::compile
