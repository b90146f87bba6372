// The steps of a plan as an attacker writes them: read from bytes that say anything, and run, if they are accepted, on
// memory between pages that nobody may touch.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/run/plan.h"
#include "engine/run/stored_steps.h"

namespace quadlane::testing {

// A step as a plan file holds it, without the texts in front.
struct StoredStep {
  std::string type, op;  // "dense table", "ql.Lut"
  std::vector<std::byte> bytes;
  size_t members = 0;  // where its members begin
};
std::vector<StoredStep> stored_steps(const run::Plan&, const run::StepCodec&);

class DamagedSteps {
 public:
  // Of this plan, whose weights are used as they are.
  DamagedSteps(std::shared_ptr<const run::Plan>, const run::StepCodec&);
  ~DamagedSteps();

  // Reads the step and runs it where it is accepted; what goes wrong, or nothing.
  std::string try_step(std::span<const std::byte>);
  // Every byte of the weights becomes this one, or a random one; nothing: as they were.
  void damage_weights(std::optional<std::byte>, bool random = false);

  int refused = 0, accepted = 0;

 private:
  struct Grounds;
  std::string run(const run::Step&);
  std::shared_ptr<const run::Plan> plan_;
  const run::StepCodec& codec_;
  const std::vector<KernelFn> entries_;
  std::unique_ptr<Grounds> grounds_[2];  // close to the page behind, and to the one in front
  std::minstd_rand rng_;
  unsigned runs_ = 0;
};

}  // namespace quadlane::testing
