// The "plan" section but for its steps.
#pragma once

#include "engine/run/plan.h"

namespace quadlane::run {

struct KernelRecord {
  std::string name;
  uint64_t offset, bytes, instruction_bytes;  // offset: in the code
  static constexpr auto kFields =
      std::tuple{&KernelRecord::name, &KernelRecord::offset, &KernelRecord::bytes, &KernelRecord::instruction_bytes};
};

struct PlanRecord {
  Isa isa = Isa::reference;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<TailInput> before_tail;
  std::vector<Slot> slots;
  size_t arena_bytes = 0;
  std::vector<KernelRecord> kernels;
  uint64_t steps = 0;
  static constexpr auto kFields =
      std::tuple{&PlanRecord::isa,   &PlanRecord::inputs,      &PlanRecord::outputs, &PlanRecord::before_tail,
                 &PlanRecord::slots, &PlanRecord::arena_bytes, &PlanRecord::kernels, &PlanRecord::steps};
};

inline constexpr size_t kPlanPage = 4096;
inline constexpr size_t kPlanHeaderBytes = 64, kSectionBytes = 32;
inline constexpr char kPlanMagic[] = "QUADLANE";
inline constexpr uint32_t kPlanByteOrder = 0x01020304, kRequiredSection = 1;

}  // namespace quadlane::run
