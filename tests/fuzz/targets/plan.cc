// Plan files, as an attacker writes them: whatever a file says, with checksums that are right. Its machine code is not
// run (whoever maps code trusts it, see SECURITY.md); what is generated from the file's graph is, and so are plans
// without machine code.
#include <cstring>

#include "engine/api/plan_model.h"
#include "engine/base/crc32c.h"
#include "engine/reference/reference_step.h"
#include "engine/run/plan_record.h"
#include "ops/table.h"
#include "tests/fuzz/targets/memory_file.h"
#include "tests/fuzz/targets/small_run.h"

namespace quadlane::fuzz {
namespace {

constexpr size_t kCountAt = 24, kTableCrcAt = 28, kHeaderCrcAt = 60, kLengthAt = 16, kCrcAt = 12, kOffsetAt = 16,
                 kBytesAt = 24;

template <class T>
T get(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void put(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

// Makes the length and every checksum right that has a place in the file.
void mend(std::span<uint8_t> file) {
  if (file.size() < run::kPlanHeaderBytes) return;
  put<uint64_t>(file.data() + kLengthAt, file.size());
  const uint64_t count = std::min<uint64_t>(get<uint32_t>(file.data() + kCountAt),
                                            (file.size() - run::kPlanHeaderBytes) / run::kSectionBytes);
  const auto all = std::as_bytes(file);
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t* entry = file.data() + run::kPlanHeaderBytes + i * run::kSectionBytes;
    const auto offset = get<uint64_t>(entry + kOffsetAt), bytes = get<uint64_t>(entry + kBytesAt);
    if (offset <= file.size() && bytes <= file.size() - offset)
      put<uint32_t>(entry + kCrcAt, crc32c(all.subspan(offset, bytes)));
  }
  put<uint32_t>(file.data() + kTableCrcAt, crc32c(all.subspan(run::kPlanHeaderBytes, count * run::kSectionBytes)));
  put<uint32_t>(file.data() + kHeaderCrcAt, crc32c(all.first(kHeaderCrcAt)));
}

size_t change(uint8_t* data, size_t size, size_t most, unsigned seed, Target::Mutate mutate) {
  // Mostly bytes are changed in place: sections then stay where the table says.
  const size_t changed = seed % 8 ? mutate(data, size, size) : mutate(data, size, most);
  if (changed < size && seed % 8) std::memset(data + changed, 0, size - changed);
  const size_t now = seed % 8 ? size : changed;
  if (seed % 32) mend({data, now});
  return now;
}

std::string run(Bytes bytes) {
  const MemoryFile file(bytes);
  run::PlanOpenOptions options;
  options.map_code = false;
  options.max_arena_bytes = 64 << 20;
  const ReferenceCodec codec(op_table());
  if (auto opened = run::PlanFile::open(file.path, options); opened.ok())
    for (const auto& variant : opened->variants())
      if (auto plan = opened->load(variant, detect_cpu().best_isa(), &codec); plan.ok()) {
        (void)describe_plan(**plan);
        run_if_small(*plan);
      }
  auto model = Model::load_plan(file.path, small_limits(bytes.size() % 2 ? Isa::avx2 : Isa::avx512_vnni), options);
  if (model.ok()) run_if_small(model->shared_plan());
  return {};
}

}  // namespace

const Target kPlan{"plan", 1 << 20, run, change};

}  // namespace quadlane::fuzz
