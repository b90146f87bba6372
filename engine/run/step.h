// A step of a plan: one operator's launch code. Steps are immutable, know where their planes lie in the arena, and call
// generated kernels. run() never allocates, never fails, makes no system call; but for the tail, the last step of plans
// with outputs whose shapes depend on data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/abi/conv.h"
#include "engine/base/geometry.h"
#include "engine/base/tensor.h"

namespace quadlane::run {

class Step;
class Checker;

// What the tail of a plan leaves: tensors of shapes that the data decided, or why there are none.
struct TailResult {
  std::vector<Tensor> outputs;  // one for each output of the model; empty where the caller's memory holds it
  std::optional<Error> error;
};

// Why an operator refused the data of a run: an index out of range, say. The first step that did counts, and of its
// parts the first, so that threads make no difference.
class Refusal {
 public:
  void keep(const Step&, int part, Error) noexcept;
  // The reason with the node's name, once the run is over; then there is none.
  Status take();

 private:
  std::mutex lock_;
  const Step* step_ = nullptr;
  int part_ = 0;
  Error error_;
};

// What one inference hands to every step. `weights` is the copy on the stream's NUMA node.
struct RunContext {
  std::byte* arena;
  const std::byte* weights;
  std::span<const void* const> inputs;  // dense user tensors
  std::span<void* const> outputs;       // what the steps before a tail produce, see Plan::before_tail
  // Replaces kernel calls; null: call directly. Tests interpret AVX-512 code with it on machines that have none.
  void (*invoke)(void* user, KernelFn fn, const void* args) = nullptr;
  void* invoke_user = nullptr;
  Refusal* refusal = nullptr;  // null: nobody asks
  TailResult* tail = nullptr;  // set where the plan has a tail

  void call(KernelFn fn, const void* args) const {
    if (invoke) [[unlikely]]
      invoke(invoke_user, fn, args);
    else
      fn(args);
  }
  // What a step leaves of an operator that failed.
  void keep(const Step& step, int part, Status status) const noexcept {
    if (refusal && !status.ok()) refusal->keep(step, part, std::move(status).error());
  }
};

// Where a dense tensor is during a run: in the caller's memory, in the arena, or constant.
enum class Place : uint8_t { user_input, user_output, arena, constant };
struct DenseAddress {
  Place place = Place::arena;
  size_t index_or_offset = 0;  // which input or output, or the offset in the arena or the weights
  static constexpr auto kFields = std::tuple{&DenseAddress::place, &DenseAddress::index_or_offset};

  void* at(const RunContext& ctx) const {
    switch (place) {
      case Place::user_input: return const_cast<void*>(ctx.inputs[index_or_offset]);
      case Place::user_output: return ctx.outputs[index_or_offset];
      case Place::arena: return ctx.arena + index_or_offset;
      case Place::constant: return const_cast<std::byte*>(ctx.weights + index_or_offset);
    }
    return nullptr;
  }
};

}  // namespace quadlane::run
template <>
inline constexpr quadlane::run::Place quadlane::kLastOf<quadlane::run::Place> = quadlane::run::Place::constant;
namespace quadlane::run {

// What a step is and costs; filled at compile time, printed by inspect, bench and profile.
struct StepInfo {
  std::string name;          // of the node
  std::string op;            // "ql.Conv"
  std::string kernel;        // describe() of problem and schedule, or "reference"
  double gmac = 0;           // in the original graph at this shape, inserted zeros not counted
  double gmac_executed = 0;  // after rewrites, padding lanes not counted
  double gmac_lanes = 0;     // what the kernel multiplies: padding, holes in quads and lanes behind an image too
  int64_t bytes_read = 0, bytes_written = 0;  // every pixel and weight once
  int64_t bytes_filled = 0;       // an estimate of what passes between L1 and the caches behind it; 0: the same
  std::vector<uint32_t> kernels;  // generated ones that it calls, as in Plan::kernels
  std::string problem;            // the node by itself (graph/text_node.h), for bench/kernel
  bool int8 = false;              // a convolution with integer accumulators
  bool reference = false;         // runs the scalar reference, not generated code
  std::string note;               // why a copy, a requantization or a fallback exists
  static constexpr auto kFields =
      std::tuple{&StepInfo::name,          &StepInfo::op,         &StepInfo::kernel,     &StepInfo::gmac,
                 &StepInfo::gmac_executed, &StepInfo::gmac_lanes, &StepInfo::bytes_read, &StepInfo::bytes_written,
                 &StepInfo::bytes_filled,  &StepInfo::kernels,    &StepInfo::problem,    &StepInfo::int8,
                 &StepInfo::reference,     &StepInfo::note};
};

class Step {
 public:
  virtual ~Step() = default;
  // Does part `part` of `parts` equal shares. Parts of one step may run at the same time on different threads; the same
  // part covers the same rows in successive steps of equal shape. A part may be empty.
  virtual void run(const RunContext&, int part, int parts) const noexcept = 0;

  StepInfo info;
};

// A step that plan files hold has, beside run():
//   static constexpr auto kFields   its members in order, those of its bases first (engine/base/fields.h)
//   void check(Checker&) const      whether all that run() will touch lies where it may (engine/run/checker.h)
// and its line in engine/run/stored_steps.cc.

// [begin, end) of share `part` of `count` items.
struct Share {
  int64_t begin, end;
  Share(int64_t count, int part, int parts) : begin(count * part / parts), end(count * (part + 1) / parts) {}
  bool empty() const { return begin == end; }
};

// What a kernel stores of an image itself: whole 16-pixel vectors, rows with the gap behind each, or pixels alone.
enum class Stored : uint8_t { vectors, rows, pixels };

// Fills what no kernel stores of freshly produced planes: the gap before row 0, the rows above and those below each
// image, and for `pixels` the gap behind each row. `pads` holds the padding bits of each plane. Part 0 fills above, the
// last part below, gaps are shared out.
void fill_padding(std::byte* arena, const Geometry&, std::span<const int64_t> planes, std::span<const uint32_t> pads,
                  Stored, int part, int parts) noexcept;

}  // namespace quadlane::run
