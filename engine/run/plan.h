// A plan: everything one network needs at run time, immutable and shared by all streams. It keeps nothing of the graph.
#pragma once

#include <map>
#include <mutex>

#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

struct TensorInfo {
  std::string name;
  TensorType type;  // dense, as the user passes it
  // An output whose shape depends on the data: the type's shape says nothing, Stream::result() has the tensor.
  bool dynamic = false;
  static constexpr auto kFields = std::tuple{&TensorInfo::name, &TensorInfo::type, &TensorInfo::dynamic};
};

// A tensor that the steps before a tail write: for the caller, for the tail, or for both.
struct TailInput {
  TensorType type;
  std::optional<size_t> output;  // of the model; empty: for the tail alone, kept by the stream
  static constexpr auto kFields = std::tuple{&TailInput::type, &TailInput::output};
};

// Kept alive by a plan and never looked into: code pages, mapped files.
struct Resource {
  virtual ~Resource() = default;
};

// Where a buffer lies in the arena and when it is alive; printed by inspect and checked by tests.
struct Slot {
  std::string name;
  size_t offset, bytes;
  int first_step, last_step;
  static constexpr auto kFields =
      std::tuple{&Slot::name, &Slot::offset, &Slot::bytes, &Slot::first_step, &Slot::last_step};
};

// Where memory comes from: the system, or the embedder.
struct MemorySource {
  void* (*allocate)(void* user, size_t bytes, size_t alignment, int numa_node) = nullptr;  // null: the system
  void (*release)(void* user, void* memory, size_t bytes) = nullptr;
  void* user = nullptr;
  int numa_node = -1;  // told to the embedder
};

// Copies share the bytes.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  // Zeroed; 4 KiB aligned, 2 MiB from that size on.
  static Result<AlignedBytes> allocate(size_t bytes, const MemorySource& = {});
  // Bytes of something mapped, which stays mapped while they are used. They may be read only.
  static AlignedBytes mapped(std::shared_ptr<const void> owner, const std::byte* data, size_t bytes);
  std::byte* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  std::shared_ptr<std::byte> bytes_;
  size_t size_ = 0;
};

// A generated kernel as it lies in executable memory; for listings, profilers and the tests' interpreter.
struct Kernel {
  struct Note {  // a remark of the generator about the instructions from this offset on
    uint32_t offset;
    std::string text;
  };
  std::string name;
  KernelFn entry;
  size_t bytes, instruction_bytes;
  std::vector<Note> notes = {};
};

// Copies of the weights on further NUMA nodes: one for each node that asks, made by the thread that asks, so that its
// pages lie on the node where this thread runs.
class NodeCopies {
 public:
  Result<const std::byte*> on_node(int node, const AlignedBytes& original);

 private:
  std::mutex mutex_;
  std::map<int, AlignedBytes> copies_;
};

struct Plan {
  std::string isa;            // "avx2"
  std::string code_method;    // how the code became executable
  std::string golden;         // SHA-256 of the outputs for the golden input (self_test.h); empty: not known
  bool without_code = false;  // steps call kernels that are not there: to look at, not to run
  std::vector<TensorInfo> inputs, outputs;
  std::vector<TailInput> before_tail;  // RunContext::outputs, in order; empty: there is no tail and they are `outputs`
  std::vector<std::unique_ptr<const Step>> steps;  // in order
  std::vector<Slot> slots;
  size_t arena_bytes = 0;
  std::vector<Kernel> kernels;
  AlignedBytes weights;  // packed; steps hold offsets
  std::unique_ptr<NodeCopies> node_weights = std::make_unique<NodeCopies>();
  std::vector<std::shared_ptr<Resource>> resources;
  double compile_ms = 0;
};

}  // namespace quadlane::run
