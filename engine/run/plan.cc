#include "engine/run/plan.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace quadlane::run {

// Pages of their own, not malloc's: they go back to the system when the stream or plan does, in processes that open and
// close for months, and no heap is left in pieces around them.
static void* map_pages(size_t bytes, size_t alignment) {
  const size_t spare = alignment > 4096 ? alignment : 0;
  void* at = mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || !spare) return at == MAP_FAILED ? nullptr : at;
  auto* first = static_cast<std::byte*>(at);
  const size_t before = -reinterpret_cast<uintptr_t>(at) & (alignment - 1);
  if (before) munmap(first, before);
  if (before < spare) munmap(first + before + bytes, spare - before);
  return first + before;
}

Result<AlignedBytes> AlignedBytes::allocate(size_t bytes, const MemorySource& source) {
  // Large blocks ask for huge pages: a convolution walks dozens of planes at once, each on pages of its own.
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t page = bytes >= kHugePage ? kHugePage : 4096;
  const size_t rounded = (bytes + page - 1) / page * page + (bytes == 0 ? page : 0);
  void* memory =
      source.allocate ? source.allocate(source.user, rounded, page, source.numa_node) : map_pages(rounded, page);
  if (!memory) return make_error(Code::out_of_memory, "no memory for ", rounded, " bytes");
  AlignedBytes result;
  result.bytes_.reset(static_cast<std::byte*>(memory), [source, rounded](std::byte* p) {
    if (source.release)
      source.release(source.user, p, rounded);
    else
      munmap(p, rounded);
  });
  if (page == kHugePage) (void)madvise(memory, rounded, MADV_HUGEPAGE);  // a hint: refused is fine
  std::memset(memory, 0, rounded);  // the first touch puts the pages on this thread's node
  result.size_ = bytes;
  return result;
}

AlignedBytes AlignedBytes::mapped(std::shared_ptr<const void> owner, const std::byte* data, size_t bytes) {
  AlignedBytes result;
  auto* keeper = new std::shared_ptr<const void>(std::move(owner));
  result.bytes_.reset(const_cast<std::byte*>(data), [keeper](std::byte*) { delete keeper; });
  result.size_ = bytes;
  return result;
}

Result<const std::byte*> NodeCopies::on_node(int node, const AlignedBytes& original) {
  std::lock_guard lock(mutex_);
  auto it = copies_.find(node);
  if (it == copies_.end()) {
    QL_TRY(AlignedBytes copy, AlignedBytes::allocate(original.size()));
    std::copy_n(original.data(), original.size(), copy.data());
    it = copies_.emplace(node, std::move(copy)).first;
  }
  return static_cast<const std::byte*>(it->second.data());
}

}  // namespace quadlane::run
