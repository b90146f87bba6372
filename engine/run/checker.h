// Whether the numbers of a step that was read from a file stay where they may: in the arena, the weights and the
// caller's tensors. What a step's kernels do with them is the kernels' matter; code is as trustworthy as its plan.
// The first failure is kept.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/plan.h"
#include "engine/run/row_steps.h"

namespace quadlane::run {

class Checker {
 public:
  // Of a plan whose inputs, outputs (before_tail where there is a tail), arena_bytes and weights are read. `loops`: the
  // best instruction set that steps may use here.
  Checker(const Plan& plan, Isa loops);

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  std::span<const std::byte> weight_bytes() const { return {plan_.weights.data(), plan_.weights.size()}; }
  void that(bool holds, const char* what) {
    if (!holds && ok()) status_ = invalid_model(what);
  }

  void geometry(const Geometry&);
  // All pixels and padding of these planes lie in the arena.
  void planes(const Geometry&, std::span<const int64_t>);
  void target(const Target&);
  // `count` items of T in the weights; empty where they are not there.
  template <class T>
  std::span<const T> table(size_t offset, int64_t count) {
    const size_t bytes = product({count, sizeof(T)});
    weights(offset, bytes);
    that(offset % alignof(T) == 0, "a table in the weights is not aligned");
    if (!ok()) return {};
    return {reinterpret_cast<const T*>(plan_.weights.data() + offset), static_cast<size_t>(count)};
  }
  void weights(size_t offset, size_t bytes);
  void reads(const DenseAddress&, size_t bytes, size_t alignment = 4);
  void writes(const DenseAddress&, size_t bytes, size_t alignment = 4);
  // Of all that a step touches, no byte that is written is read, or written twice: for steps that look at their
  // operands again while they write.
  struct Touched {
    DenseAddress at;
    size_t bytes;
    bool written = false;
  };
  void apart(std::vector<Touched>);
  // Bytes from the address to the end of its tensor, the arena or the weights.
  size_t room(const DenseAddress&);
  void arena(int64_t first, int64_t end);  // bytes
  void kernel(KernelFn fn) { that(fn != nullptr || plan_.without_code, "a kernel is missing"); }
  void kernel_numbers(std::span<const uint32_t> numbers) {
    for (uint32_t number : numbers) that(number < plan_.kernels.size(), "a kernel that is not there");
  }
  void groups(std::span<const PlaneGroup>, size_t planes);
  void float_rows(const FloatRows&, const Geometry& rows, size_t planes, bool written);
  void loops(Isa isa) {
    that(isa != Isa::reference && isa <= loops_, "loops of an instruction set that this machine lacks");
  }

  // The product, or more than any memory where a factor is negative or it does not fit.
  static constexpr size_t kTooMany = SIZE_MAX / 2;
  static size_t product(std::initializer_list<int64_t> factors);

 private:
  const Plan& plan_;
  Isa loops_;
  std::vector<size_t> inputs_, outputs_;  // bytes
  Status status_;
};

}  // namespace quadlane::run
