#include "engine/compile/emitter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/run/memory_plan.h"

namespace quadlane::compile {

int64_t Addresses::plane(BufferId id, uint32_t index) const {
  const Geometry& g = layouts_.geometry(layouts_.layout(id));
  return static_cast<int64_t>(offsets_[static_cast<size_t>(id)]) + index * g.plane_bytes() + g.origin * kPixelBytes;
}

std::vector<int64_t> Addresses::planes(const PlanarValue& value) const {
  std::vector<int64_t> offsets;
  for (const PlaneRef& p : value.planes) offsets.push_back(plane(p));
  return offsets;
}

std::vector<uint32_t> Addresses::pads(const PlanarValue& value) const {
  std::vector<uint32_t> bits;
  for (const PlaneRef& p : value.planes) bits.push_back(layouts_.pad_bits(p.buffer, p.index));
  return bits;
}

DenseAddress Addresses::dense(const DenseRef& ref) const {
  if (ref.place == Place::arena) return {ref.place, offsets_[ref.index]};
  if (ref.place == Place::constant) return {ref.place, dense_constants_.at(ref.index)};
  return {ref.place, ref.index};
}

Result<KernelId> Emitter::kernel(const std::string& key, const std::function<Result<MachineCode>()>& generate) {
  auto filtered = [&]() -> Result<MachineCode> {
    QL_TRY(MachineCode code, generate());
    if (code_filter_) code_filter_(code);
    return code;
  };
  QL_TRY(size_t index, kernels_.find_or_generate(key, filtered));
  const uint32_t number = static_cast<uint32_t>(index);
  if (std::find(asked_for_.begin(), asked_for_.end(), number) == asked_for_.end()) asked_for_.push_back(number);
  return KernelId{index};
}

size_t Emitter::constant(const void* data, size_t bytes) {
  std::string contents(static_cast<const char*>(data), bytes);
  auto [it, fresh] = constants_.try_emplace(std::move(contents), 0);
  if (!fresh) return it->second;
  size_t offset = (weights_.size() + 63) / 64 * 64;
  weights_.resize(offset + bytes);
  if (bytes) std::memcpy(weights_.data() + offset, data, bytes);
  return it->second = offset;
}

size_t Emitter::lanes(const Geometry& g) {
  std::vector<uint16_t> lanes = valid_lanes(g);
  lanes.resize(lanes.size() + kVectorPixels);  // kernels may read a few entries ahead
  return constant(lanes);
}

void Emitter::step(run::StepInfo info, std::vector<BufferId> touched, StepRecipe recipe) {
  int index = static_cast<int>(steps_.size());
  for (BufferId id : touched) {
    Life& life = lives_[static_cast<size_t>(id)];
    if (life.first < 0) life.first = index;
    life.last = index;
  }
  info.kernels = std::exchange(asked_for_, {});
  info.problem = problem_;
  steps_.push_back({std::move(info), std::move(recipe)});
}

namespace {

struct CodeResource final : run::Resource {
  explicit CodeResource(CodeMemory m) : memory(std::move(m)) {}
  CodeMemory memory;
};

}  // namespace

Result<Emitter::Output> Emitter::finish(const CodeMemoryOptions& options) {
  Output out;
  std::vector<run::Lifetime> lives;
  for (size_t i = 0; i < lives_.size(); ++i) {
    bool used = lives_[i].first >= 0;  // a buffer nobody touches takes no room
    lives.push_back(
        {used ? layouts_.bytes(BufferId(i)) : 0, std::max(0, lives_[i].first), std::max(0, lives_[i].last)});
  }
  run::MemoryPlan memory = run::plan_memory(lives);
  out.arena_bytes = memory.arena_bytes;
  for (size_t i = 0; i < lives.size(); ++i)
    if (lives[i].bytes)
      out.slots.push_back(
          {cat("buffer ", i), memory.offsets[i], lives[i].bytes, lives[i].first_step, lives[i].last_step});

  std::vector<KernelFn> entries;
  if (!kernels_.kernels().empty()) {
    QL_TRY(auto loaded, kernels_.load(options));
    entries = loaded.entries;
    for (size_t i = 0; i < entries.size(); ++i) {
      const MachineCode& code = kernels_.kernels()[i];
      out.kernels.push_back({code.name, entries[i], code.bytes.size(), code.instruction_bytes});
      for (const CodeNote& note : code.notes) out.kernels.back().notes.push_back({note.offset, note.text});
    }
    out.code_method = loaded.memory.method();
    out.code = std::make_shared<CodeResource>(std::move(loaded.memory));
  }
  Addresses addresses(layouts_, memory.offsets, dense_constants_, std::move(entries));
  for (Pending& pending : steps_) {
    auto step = pending.recipe(addresses);
    step->info = std::move(pending.info);
    out.steps.push_back(std::move(step));
  }
  // Kernels may load a vector beyond the last constant.
  QL_TRY(out.weights, run::AlignedBytes::allocate(weights_.size() + 4096));
  std::copy(weights_.begin(), weights_.end(), out.weights.data());
  return out;
}

std::vector<BufferId> buffers_of(std::initializer_list<const PlanarValue*> values) {
  std::vector<BufferId> ids;
  for (const PlanarValue* value : values)
    for (const PlaneRef& p : value->planes)
      if (std::find(ids.begin(), ids.end(), p.buffer) == ids.end()) ids.push_back(p.buffer);
  return ids;
}

}  // namespace quadlane::compile
