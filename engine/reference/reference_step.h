// One operator by its scalar reference, on dense tensors.
#pragma once

#include "engine/run/stored_steps.h"
#include "graph/op_table.h"

namespace quadlane {

class ReferenceStep final : public run::Step {
 public:
  struct Operand {
    TensorType type;
    run::DenseAddress at{};
    bool present = true;  // false: an optional input that is absent
    static constexpr auto kFields = std::tuple{&Operand::type, &Operand::at, &Operand::present};
  };
  ReferenceStep(const OpDef& def, Node node, std::vector<Operand> in, std::vector<Operand> out)
      : def_(def), node_(std::move(node)), in_(std::move(in)), out_(std::move(out)) {}

  // The reference runs on one thread: part 0 does it all. It may allocate; where there is no memory the run ends with
  // an error.
  void run(const run::RunContext&, int part, int parts) const noexcept override;

  void write(FieldWriter&) const;
  // Types are inferred anew from what the step reads, and must be the stored ones.
  static Result<std::unique_ptr<run::Step>> read(FieldReader&, const OpTable&, run::Checker&,
                                                 std::span<const std::byte> weights);

 private:
  Status compute(const run::RunContext&) const;

  const OpDef& def_;
  Node node_;
  std::vector<Operand> in_, out_;
};

// Reference steps in plan files.
class ReferenceCodec final : public run::StepCodec {
 public:
  explicit ReferenceCodec(const OpTable& ops) : ops_(ops) {}
  bool write(FieldWriter&, const run::Step&) const override;
  std::unique_ptr<run::Step> read(FieldReader&, const std::string& type, run::Checker&) const override;

 private:
  const OpTable& ops_;
};

}  // namespace quadlane
