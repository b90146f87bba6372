#include "engine/run/plan.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace quadlane::run {

Result<AlignedBytes> AlignedBytes::allocate(size_t bytes, const MemorySource& source) {
  // Large blocks ask for huge pages: a convolution walks dozens of planes at once, each on pages of its own.
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t kPage = bytes >= kHugePage ? kHugePage : 4096;
  size_t rounded = (bytes + kPage - 1) / kPage * kPage + (bytes == 0 ? kPage : 0);
  AlignedBytes result;
  void* memory = source.allocate ? source.allocate(source.user, rounded, kPage, source.numa_node)
                                 : std::aligned_alloc(kPage, rounded);
  if (memory && source.allocate)
    result.bytes_.reset(static_cast<std::byte*>(memory),
                        [source, rounded](std::byte* p) { source.release(source.user, p, rounded); });
  else if (memory)
    result.bytes_.reset(static_cast<std::byte*>(memory), [](std::byte* p) { std::free(p); });
  if (!result.bytes_) return make_error(Code::out_of_memory, "no memory for ", rounded, " bytes");
  if (kPage == kHugePage) (void)madvise(result.data(), rounded, MADV_HUGEPAGE);  // a hint: refused is fine
  std::memset(result.data(), 0, rounded);
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
    std::memcpy(copy.data(), original.data(), original.size());
    it = copies_.emplace(node, std::move(copy)).first;
  }
  return static_cast<const std::byte*>(it->second.data());
}

}  // namespace quadlane::run
