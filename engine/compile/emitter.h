// Second half of a compilation: geometries are fixed, steps are written down in order. Steps are made only when the
// arena is planned and the code is executable; until then an operator leaves a recipe that asks for addresses.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "engine/base/cpu.h"
#include "engine/compile/layout.h"
#include "engine/run/plan.h"
#include "jit/kernel_cache.h"

namespace quadlane::compile {

enum class KernelId : size_t {};

using run::DenseAddress;
using run::Place;

// A dense tensor: in the caller's memory, in the arena, or constant (in the plan's weights).
struct DenseRef {
  Place place = Place::arena;
  TensorType type;
  size_t index = 0;  // which input or output; BufferId for the arena; Lowering's number of a constant
};

// Answers the recipes' questions.
class Addresses {
 public:
  Addresses(const Layouts& layouts, std::vector<size_t> offsets, const std::map<size_t, size_t>& dense_constants,
            std::vector<KernelFn> entries)
      : layouts_(layouts),
        offsets_(std::move(offsets)),
        dense_constants_(dense_constants),
        entries_(std::move(entries)) {}

  // Arena offset of pixel (0, 0) of image 0.
  int64_t plane(BufferId, uint32_t index) const;
  int64_t plane(const PlaneRef& p) const { return plane(p.buffer, p.index); }
  std::vector<int64_t> planes(const PlanarValue&) const;
  std::vector<uint32_t> pads(const PlanarValue&) const;
  DenseAddress dense(const DenseRef&) const;
  KernelFn kernel(KernelId id) const { return entries_[static_cast<size_t>(id)]; }

 private:
  const Layouts& layouts_;
  std::vector<size_t> offsets_;  // of buffers in the arena
  const std::map<size_t, size_t>& dense_constants_;
  std::vector<KernelFn> entries_;
};

using StepRecipe = std::function<std::unique_ptr<run::Step>(const Addresses&)>;

class Emitter {
 public:
  explicit Emitter(Layouts& layouts) : layouts_(layouts), lives_(layouts.buffer_count()) {}

  const Geometry& geometry(const PlanarValue& v) const { return layouts_.geometry(v.layout); }
  const Layouts& layouts() const { return layouts_; }
  // Bytes of a value's pixels, without padding: what a step reads or writes of it.
  int64_t pixel_bytes(const PlanarValue& v) const {
    const Geometry& g = geometry(v);
    return static_cast<int64_t>(v.planes.size()) * g.n * g.h * g.w * kPixelBytes;
  }

  // Generated once for equal keys.
  Result<KernelId> kernel(const std::string& key, const std::function<Result<MachineCode>()>& generate);
  // Copies bytes into the plan's weights, 64-byte aligned and once for equal contents; returns their offset.
  size_t constant(const void* data, size_t bytes);
  template <class T>
  size_t constant(const std::vector<T>& values) {
    return constant(values.data(), values.size() * sizeof(T));
  }
  // The constant that is DenseRef `index`.
  void dense_constant(size_t index, const void* data, size_t bytes) { dense_constants_[index] = constant(data, bytes); }
  // valid_lanes() of a geometry as a constant.
  size_t lanes(const Geometry&);

  // Appends a step. Buffers live from the first step that touches them to the last.
  void step(run::StepInfo info, std::vector<BufferId> touched, StepRecipe recipe);
  // The problem of the steps from here on.
  void set_problem(std::string problem) { problem_ = std::move(problem); }

  struct Output {
    std::vector<std::unique_ptr<const run::Step>> steps;
    std::vector<run::Slot> slots;
    size_t arena_bytes;
    run::AlignedBytes weights;
    std::vector<run::Kernel> kernels;
    std::shared_ptr<run::Resource> code;
    std::string code_method;
  };
  Result<Output> finish(const CodeMemoryOptions&);

  // May change each kernel before anything calls it.
  void set_code_filter(std::function<void(MachineCode&)> filter) { code_filter_ = std::move(filter); }

 private:
  struct Pending {
    run::StepInfo info;
    StepRecipe recipe;
  };
  struct Life {
    int first = -1, last = -1;
  };
  Layouts& layouts_;
  std::vector<Pending> steps_;
  std::vector<Life> lives_;
  std::vector<std::byte> weights_;
  std::map<std::string, size_t> constants_;   // contents -> offset
  std::map<size_t, size_t> dense_constants_;  // DenseRef::index -> offset
  KernelCache kernels_;
  std::function<void(MachineCode&)> code_filter_;
  std::string problem_;
  std::vector<uint32_t> asked_for_;  // kernels since the last step: those of the next one
};

// The distinct buffers of some values.
std::vector<BufferId> buffers_of(std::initializer_list<const PlanarValue*> values);

}  // namespace quadlane::compile
