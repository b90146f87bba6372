// How a reduction walks a dense tensor: for every output, runs of reduced elements at a constant step.
#pragma once

#include "engine/base/tensor.h"
#include "ops/defs.h"

namespace quadlane {

struct ReduceRun {
  int64_t n, step;  // elements, distance between them
};

class ReduceLayout {
 public:
  ReduceLayout(const Shape&, const std::vector<bool>& reduced);

  int64_t outputs() const { return static_cast<int64_t>(output_offsets_.size()); }
  int64_t output_offset(int64_t i) const { return output_offsets_[static_cast<size_t>(i)]; }
  int64_t runs() const { return static_cast<int64_t>(run_offsets_.size()); }
  int64_t run_offset(int64_t i) const { return run_offsets_[static_cast<size_t>(i)]; }
  const ReduceRun& run() const { return run_; }
  int64_t reduced() const { return runs() * run_.n; }  // elements per output

 private:
  std::vector<int64_t> output_offsets_, run_offsets_;
  ReduceRun run_{1, 1};
};

void append_scan_ops(std::vector<OpDef>&);     // ArgMax, ArgMin, CumSum
void append_select_ops(std::vector<OpDef>&);   // TopK, NonZero
void append_hardmax_ops(std::vector<OpDef>&);  // Hardmax

}  // namespace quadlane
