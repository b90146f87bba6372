// y = table[x] for every byte of a dense tensor.
#pragma once

#include "engine/run/step.h"

namespace quadlane::run {

class LutStep final : public Step {
 public:
  int64_t count = 0;
  DenseAddress from{}, table{}, to{};  // the table has 256 bytes
  static constexpr auto kFields = std::tuple{&LutStep::count, &LutStep::from, &LutStep::table, &LutStep::to};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
