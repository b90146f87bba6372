// Memory between pages that nobody may touch: one byte behind it faults, or one in front of it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>

namespace quadlane::testing {

class GuardedBytes {
 public:
  enum class Close { behind, in_front };  // the side where there is no gap to the guard page
  explicit GuardedBytes(size_t bytes, Close close = Close::behind) : size_(bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    usable_ = (bytes + page - 1) / page * page;
    mapped_ = usable_ + 2 * page;
    mapping_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping_ == MAP_FAILED) throw std::bad_alloc();
    first_ = static_cast<std::byte*>(mapping_) + page;
    data_ = close == Close::behind ? first_ + usable_ - bytes : first_;
    if (!allow(PROT_READ | PROT_WRITE)) throw std::bad_alloc();
  }
  GuardedBytes(const GuardedBytes& other) : GuardedBytes(other.size_) { std::memcpy(data_, other.data_, size_); }
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { munmap(mapping_, mapped_); }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  bool operator==(const GuardedBytes& o) const { return size_ == o.size_ && !std::memcmp(data_, o.data_, size_); }
  bool allow(int protection) const { return mprotect(first_, usable_, protection) == 0; }

 private:
  void* mapping_ = nullptr;
  size_t mapped_ = 0, usable_ = 0, size_ = 0;
  std::byte *first_ = nullptr, *data_ = nullptr;
};

}  // namespace quadlane::testing
