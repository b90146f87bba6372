// Graph -> Plan: chooses kernels and layouts, packs weights, places memory, generates code.
#pragma once

#include <memory>

#include "engine/base/cpu.h"
#include "engine/base/deadline.h"
#include "engine/compile/conv_tuner.h"
#include "engine/run/plan.h"
#include "graph/op_table.h"
#include "jit/code_listener.h"

namespace quadlane::compile {

struct CompileOptions {
  CpuInfo cpu = detect_cpu();
  Isa isa = Isa::avx512_vnni;  // lowered to what `cpu` runs unless `generate_only`
  bool generate_only = false;  // code for an instruction set this machine may lack: to look at or to emulate
  bool tune = true;            // false: schedules by the model alone
  std::vector<std::shared_ptr<CodeListener>> code_listeners;
  ScheduleFilter schedule_filter;
  std::function<void(MachineCode&)> code_filter;  // sees each kernel before anything calls it, and may change it
  std::shared_ptr<ScheduleBook> schedules;        // choices by timing of earlier compilations, and of this one
  int64_t max_channels = 1 << 16;                 // of a tensor of rank 4
  int64_t max_pixels = int64_t{1} << 28;          // of one channel of it
  size_t max_arena_bytes = size_t{16} << 30;      // activations of one stream; a plan that needs more is refused
  Deadline deadline = {};                         // looked at in front of each node
  std::vector<std::shared_ptr<const run::Plan>> siblings;  // equal packed weights are shared with one of them
};

// The graph must be in its final form: every convolution a ql.Conv, quantization lowered (see graph/passes/pass.h).
Result<std::shared_ptr<const run::Plan>> compile(const Graph&, const OpTable&, const CompileOptions& = {});

}  // namespace quadlane::compile
